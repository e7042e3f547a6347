internal import ArgumentParser
internal import FoundationEssentials

/// An option of a command, as ArgumentParser describes it to programs (`ToolInfoV0`, what
/// `--experimental-dump-help` prints).
struct OptionDescription: Equatable {
  /// The long name, without dashes: `idle-timeout`.
  let name: String
  /// All names as they are given, with dashes.
  let spellings: [String]
  let isFlag: Bool
  let isRepeating: Bool
  let isRequired: Bool
  let valueName: String
  let defaultValue: String?
  let explanation: String

  /// Whether its one value is a list, with commas.
  var takesList: Bool { valueName.contains(",") || valueName.split(separator: "|").contains("list") }

  /// Those that a command shows in its help, but for those that ask about itself.
  static func all(of command: any ParsableCommand.Type) -> [OptionDescription] {
    arguments(of: command).compactMap(OptionDescription.init)
  }

  /// How whatever the command takes may be given, with dashes: what its help does not show as well.
  static func spellings(of command: any ParsableCommand.Type) -> [String] {
    arguments(of: command).flatMap(\.spellings)
  }

  private static func arguments(of command: any ParsableCommand.Type) -> [Argument] {
    guard let tool = try? JSONDecoder().decode(Tool.self, from: Data(command._dumpHelp().utf8)) else {
      preconditionFailure("ArgumentParser describes options in another format now")
    }
    return tool.command.arguments ?? []
  }

  private init?(_ argument: Argument) {
    guard argument.shouldDisplay, argument.kind != "positional",
      let name = argument.names?.first(where: { $0.kind == "long" })?.name,
      name != "help", name != "version"
    else { return nil }
    self.name = name
    spellings = argument.spellings
    isFlag = argument.kind == "flag"
    isRepeating = argument.isRepeating
    isRequired = !argument.isOptional
    valueName = argument.valueName ?? name
    defaultValue = argument.defaultValue
    explanation = argument.abstract ?? ""
  }

  // MARK: - What is needed of ToolInfoV0

  private struct Tool: Decodable { let command: Command }
  private struct Command: Decodable { let arguments: [Argument]? }
  private struct Argument: Decodable {
    let kind: String
    let shouldDisplay: Bool
    let isOptional: Bool
    let isRepeating: Bool
    let names: [Name]?
    let valueName: String?
    let defaultValue: String?
    let abstract: String?

    var spellings: [String] { names?.map { ($0.kind == "long" ? "--" : "-") + $0.name } ?? [] }
  }
  private struct Name: Decodable {
    let kind: String
    let name: String
  }
}
