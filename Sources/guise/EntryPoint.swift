internal import ArgumentParser
internal import Control
internal import Glibc

/// Exit status: 0 stopped by a signal or helped, 2 for a command line that makes no sense, 1 for the rest.
@main
enum EntryPoint {
  static func main() {
    do {
      var command = try GuiseCommand.parseAsRoot()
      try command.run()
    } catch let error as SetupError {
      StandardErrorLog.write("guise: \(error)\n")
      exit(1)
    } catch {
      report(error)
    }
  }

  /// Help and version go to standard output, complaints about the command line to standard error.
  private static func report(_ error: any Error) -> Never {
    let text = GuiseCommand.fullMessage(for: error)
    switch GuiseCommand.exitCode(for: error) {
    case .success:
      print(text)
      exit(0)
    case .validationFailure:
      StandardErrorLog.write("\(text)\n")
      exit(2)
    default:
      // A command that has said it all already ends with a bare status.
      if !text.isEmpty { StandardErrorLog.write("\(text)\n") }
      exit(1)
    }
  }
}
