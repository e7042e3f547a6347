import ArgumentParser
@main struct G: ParsableCommand {}
