internal import ArgumentParser

/// Which configuration file.
struct ConfigurationOption: ParsableArguments {
  @Option(name: .shortAndLong, help: ArgumentHelp("The configuration file.", valueName: "file"))
  var config = ConfigurationFile.standardPath

  func read() throws -> ConfigurationFile { try ConfigurationFile(path: config) }
}
