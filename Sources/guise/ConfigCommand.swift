internal import ArgumentParser
internal import Control

/// `guise config`.
struct ConfigCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "config",
    abstract: "Looks at a configuration file, and changes nothing.",
    subcommands: [Check.self, Show.self])

  struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "check",
      abstract: "Says all that is wrong with a configuration file, by its lines.",
      discussion: """
        Exit status 0: the file makes sense; 2: it does not. What only the host can tell, such as whether a port is \
        free, is not looked at.
        """)

    @OptionGroup var file: ConfigurationOption

    mutating func run() throws {
      let tunnels = try file.read().tunnels
      let list = tunnels.map { "\($0.configuration.role) \($0.name)" }.joined(separator: ", ")
      print(
        "\(file.config) is fine: \(tunnels.count == 1 ? "1 tunnel" : "\(tunnels.count) tunnels"), \(list)")
    }
  }

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "show",
      abstract:
        "Prints the configuration that is in effect: every key of every tunnel, with defaults in comments.",
      discussion: "What it prints is a configuration file that means the same.")

    @OptionGroup var file: ConfigurationOption

    mutating func run() throws { print(try file.read().effective) }
  }
}
