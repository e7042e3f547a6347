internal import ArgumentParser

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

  /// How often an option stands there.
  func count(of option: OptionDescription) -> Int {
    arguments.prefix { $0 != "--" }.count { argument in
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
}
