internal import ArgumentParser
internal import Control
internal import Logging

/// `guise cleanup`.
struct CleanupCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cleanup",
    abstract: "Undoes what killed processes of guise left on this host.",
    discussion: """
      Every start does the same first. This is for those who do not want to start again, or for a service's \
      'ExecStopPost='. What running processes need stays.
      """)

  @OptionGroup var logging: LoggingOptions

  mutating func run() throws {
    try Cleanup.run(logging.logger())
  }
}
