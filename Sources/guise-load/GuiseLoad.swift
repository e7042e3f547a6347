internal import ArgumentParser
internal import Glibc
internal import LoadModel

/// The traffic maker: sends, receives, echoes and verifies UDP datagrams, and says what became of them.
@main
struct GuiseLoad: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "guise-load",
    abstract: "Makes UDP traffic and measures what becomes of it.",
    discussion: """
      Every datagram carries its flow, a sequence number, the time it left and a payload that follows from \
      them, so that the receiver can tell loss, duplication, reordering and damage apart.

      How fast is the path, and what is lost on it?
        receiver:  guise-load sink --listen 0.0.0.0:5000
        sender:    guise-load send --to 192.0.2.1:5000 --rate max --duration 10

      How long does a round trip take, and do all sizes survive it?
        far end:   guise-load echo --listen 0.0.0.0:5000
        near end:  guise-load ping --to 192.0.2.1:5000
                   guise-load sweep --to 192.0.2.1:5000

      What is measured goes to stderr as text, and with --json to stdout as one JSON object. Exit codes: \
      0 fine, 1 a check failed or the kernel refused something, 2 wrong usage.
      """,
    version: "0.1.0",
    subcommands: [
      SendCommand.self, SinkCommand.self, EchoCommand.self, PingCommand.self, SweepCommand.self,
      ForgeCommand.self,
    ])

  static func main() {
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch {
      exit(reporting: error)
    }
  }

  /// Ends the program with one clear message and the exit code that goes with it.
  private static func exit(reporting error: any Error) -> Never {
    if let failure = error as? LoadFailure {
      StandardStream.error.write("guise-load: \(failure.message)\n")
      Glibc.exit(1)
    }
    let code = exitCode(for: error)
    let text = fullMessage(for: error)
    if !text.isEmpty { (code.isSuccess ? StandardStream.output : .error).write(text + "\n") }
    Glibc.exit(code == .validationFailure ? 2 : code.rawValue)
  }
}
