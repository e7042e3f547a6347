internal import ArgumentParser
internal import Control

/// A command line as it was given, without the program's name.
struct GivenCommand {
  let arguments: [String]
  /// The command that its first words name; the program itself where there are none.
  let command: any ParsableCommand.Type
  /// How many words these are.
  let depth: Int
  /// The command's; none of the program itself.
  let options: [OptionDescription]

  init(_ arguments: [String]) {
    var command: any ParsableCommand.Type = GuiseCommand.self
    var depth = 0
    for word in arguments {
      guard
        let next = command.configuration.subcommands.first(where: { $0.configuration.commandName == word })
      else { break }
      command = next
      depth += 1
    }
    self.arguments = arguments
    self.command = command
    self.depth = depth
    options = depth > 0 ? OptionDescription.all(of: command) : []
  }

  /// Where options stand.
  private var beforeTerminator: ArraySlice<String> { arguments.prefix { $0 != "--" } }

  /// How often an option stands there.
  func count(of option: OptionDescription) -> Int {
    beforeTerminator.count { argument in
      option.spellings.contains { name in
        argument == name || argument.hasPrefix("\(name)=") || name.count == 2 && argument.hasPrefix(name)
      }
    }
  }

  /// Of which whoever names two wants several, as a client can have of servers.
  private static let ends: Set = ["remote", "source", "peer", "serve"]

  /// Refuses several of an end that there is one of. Of other options the last one holds, as is usual, so that what is
  /// added to a command changes it.
  func refuseRepetitions() throws {
    for option in options where Self.ends.contains(option.name) && !option.isRepeating {
      guard count(of: option) > 1 else { continue }
      throw ValidationError(
        "--\(option.name) is given \(count(of: option)) times, and takes one value here: \(option.explanation)"
      )
    }
  }

  // MARK: - Options that there are not

  /// The first option on it that the command has not.
  var unknownOption: String? {
    guard depth > 0 else { return nil }
    let known = OptionDescription.spellings(of: command)
    return beforeTerminator.lazy.filter { $0.hasPrefix("--") }
      .map { String($0.prefix { $0 != "=" }) }
      .first { !known.contains($0) }
  }

  /// A complaint that names it, in place of one that does not. Where a required option is missing, ArgumentParser says no more
  /// than that, though most often it is there, misspelt.
  func namingUnknownOption(_ complaint: String) -> String {
    guard let unknownOption, !complaint.contains("'\(unknownOption)'") else { return complaint }
    let nearest = Suggestion.nearest(to: unknownOption, among: options.flatMap(\.spellings))
    let name = "Error: Unknown option '\(unknownOption)'" + (nearest.map { ". Did you mean '\($0)'?" } ?? "")
    let usage = complaint.split(separator: "\n").drop { !$0.hasPrefix("Usage:") }
    return ([name[...]] + usage).joined(separator: "\n")
  }
}
