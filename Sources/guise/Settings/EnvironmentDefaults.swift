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

  /// `arguments`: without the program's name. Those of a command that is none stay as they are.
  init(_ arguments: [String], environment: [String: String]) throws {
    let (command, depth) = Self.command(arguments)
    var added: [String] = []
    var used: [(String, String)] = []
    for option in OptionDescription.all(of: command)
    where depth > 0 && !(command is any SelectingCommand.Type) {
      let variable = Self.variable(of: option)
      guard let value = environment[variable], !value.isEmpty, !Self.has(arguments, option) else { continue }
      let given = try Self.arguments(option, value, variable)
      guard !given.isEmpty else { continue }
      added += given
      used.append((variable, "--\(option.name)"))
    }
    self.arguments = arguments[..<depth] + added + arguments[depth...]
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

  /// The command that the first words name, and how many these are.
  private static func command(_ arguments: [String]) -> (any ParsableCommand.Type, depth: Int) {
    var command: any ParsableCommand.Type = GuiseCommand.self
    for (depth, word) in arguments.enumerated() {
      guard
        let next = command.configuration.subcommands.first(where: { $0.configuration.commandName == word })
      else { return (command, depth) }
      command = next
    }
    return (command, arguments.count)
  }

  private static func has(_ arguments: [String], _ option: OptionDescription) -> Bool {
    arguments.contains { argument in
      option.spellings.contains { name in
        argument == name || argument.hasPrefix("\(name)=") || name.count == 2 && argument.hasPrefix(name)
      }
    }
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
