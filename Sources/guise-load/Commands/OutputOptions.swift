internal import ArgumentParser
internal import LoadModel

/// Where results go.
struct OutputOptions: ParsableArguments {
  @Flag(name: .long, help: "Print the result as one JSON object on stdout.")
  var json = false

  @Flag(name: .long, help: "Print no text and no progress on stderr.")
  var quiet = false

  /// Prints a report as text on stderr and as JSON on stdout, each if it is wanted.
  func print(_ report: some Encodable & CustomStringConvertible) throws {
    if !quiet { StandardStream.error.write("\(report)\n") }
    if json { StandardStream.output.write(try JSONText.encode(report) + "\n") }
  }
}
