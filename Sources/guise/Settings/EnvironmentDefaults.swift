internal import ArgumentParser

/// Environment variables that stand in for options which the command line leaves out: `GUISE_IDLE_TIMEOUT=30`
/// for `--idle-timeout 30`. Not those that select flows: a gateway's `GUISE_REMOTE` does not say which are to be closed.
struct EnvironmentDefaults {
  /// The command line with them.
  let arguments: [String]
  /// Which were used: each variable, and its option.
  private let used: [(variable: String, option: String)]

  static func variable(of option: OptionDescription) -> String {
    "GUISE_" + option.name.uppercased().replacing("-", with: "_")
  }

  /// The arguments of a command that is none stay as they are.
  init(_ given: GivenCommand, environment: [String: String]) throws {
    var added: [String] = []
    var used: [(String, String)] = []
    for option in given.options where !(given.command is any SelectingCommand.Type) {
      let variable = Self.variable(of: option)
      guard let value = environment[variable], !value.isEmpty, given.count(of: option) == 0 else { continue }
      let words = try Self.arguments(option, value, variable)
      guard !words.isEmpty else { continue }
      added += words
      used.append((variable, "--\(option.name)"))
    }
    arguments = given.arguments[..<given.depth] + added + given.arguments[given.depth...]
    self.used = used
  }

  /// For a complaint about the command line: which of the options that it names are not on it.
  func origins(in complaint: String) -> String? {
    let words = complaint.split { !($0.isLetter || $0.isNumber || $0 == "-") }
    let named = used.filter { words.contains(Substring($0.option)) }
    guard !named.isEmpty else { return nil }
    return named.map { "\($0.option) comes from the environment variable \($0.variable)." }
      .joined(separator: "\n")
  }

  private static func arguments(
    _ option: OptionDescription, _ value: String, _ variable: String
  ) throws -> [String] {
    if option.isFlag {
      switch value.lowercased() {
      case "1", "true", "yes", "on": return ["--\(option.name)"]
      case "0", "false", "no", "off": return []
      default: throw ValidationError("the environment variable \(variable) is '\(value)': use 1 or 0")
      }
    }
    let values = option.isRepeating ? value.split { $0 == "," || $0 == " " }.map(String.init) : [value]
    return values.map { "--\(option.name)=\($0)" }
  }
}
