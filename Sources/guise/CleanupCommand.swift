internal import ArgumentParser
internal import Control
internal import Logging

/// `guise cleanup`.
struct CleanupCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cleanup",
    abstract: "Undoes what killed processes of guise left in this network namespace.",
    discussion: """
      A killed gateway's device, rules and flows wait for its next start, which goes on with them. This is for \
      those who do not want to start it again. What running processes need stays.
      """)

  @OptionGroup var logging: LoggingOptions

  mutating func run() throws {
    try Cleanup.run(logging.logger())
  }
}
