internal import ArgumentParser
internal import Control
internal import Glibc

/// Exit status: 0 stopped by a signal or helped, 2 for a command line or configuration file that makes no sense, 3
/// where `--takeover` cannot go on with what the running process has, 4 where no flow was meant, 1 for the rest.
@main
enum EntryPoint {
  static func main() {
    var defaults: EnvironmentDefaults?
    var tunnel = ""
    let given = GivenCommand(Array(CommandLine.arguments.dropFirst()))
    do {
      try given.refuseRepetitions()
      let whole = try EnvironmentDefaults(given, environment: environment())
      defaults = whole
      var command = try GuiseCommand.parseAsRoot(whole.arguments)
      if let name = (command as? any GatewayCommand)?.options.name { tunnel = "\(name): " }
      try command.run()
    } catch let error as SetupError {
      StandardErrorLog.complain("guise: \(tunnel)\(error)")
      exit(error.exitStatus)
    } catch let error as CommandRefusal {
      StandardErrorLog.complain("guise: \(error)")
      exit(error.exitStatus)
    } catch let error as ConfigurationFile.Unusable {
      StandardErrorLog.complain("\(error)")
      exit(2)
    } catch {
      report(error, given, defaults)
    }
  }

  /// Help and version go to standard output, complaints about the command line to standard error.
  private static func report(_ error: any Error, _ given: GivenCommand, _ defaults: EnvironmentDefaults?)
    -> Never
  {
    let text = GuiseCommand.fullMessage(for: error)
    switch GuiseCommand.exitCode(for: error) {
    case .success:
      print(text)
      exit(0)
    case .validationFailure:
      StandardErrorLog.complain(given.namingUnknownOption(text))
      if let origins = defaults?.origins(in: GuiseCommand.message(for: error)) {
        StandardErrorLog.complain("\(origins)")
      }
      exit(2)
    default:
      // A command that has said it all already ends with a bare status.
      if !text.isEmpty { StandardErrorLog.complain(text) }
      exit(1)
    }
  }

  private static func environment() -> [String: String] {
    var variables: [String: String] = [:]
    var entry = unsafe environ
    while let text = unsafe entry.pointee {
      let pair = unsafe String(cString: text).split(
        separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      if pair.count == 2 { variables[String(pair[0])] = String(pair[1]) }
      unsafe entry += 1
    }
    return variables
  }
}
