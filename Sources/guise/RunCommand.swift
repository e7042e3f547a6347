internal import ArgumentParser
internal import Control

/// `guise run`.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Runs all tunnels of a configuration file.",
    discussion: """
      Each table of the file is a client or a server; its keys are the options of 'guise client' and 'guise server' \
      without their dashes:

        [client.office]
        local = "127.0.0.1:51821"
        remote = "server.example.org:4567"

      Every tunnel has a process of its own, which is started again if it dies. SIGHUP reads the file again: \
      tunnels that have changed are replaced, the others go on undisturbed. A file that makes no sense changes \
      nothing. SIGINT and SIGTERM end all tunnels, SIGUSR1 prints their counters. SIGUSR2 goes on as the program that \
      has taken this one's place, with all flows.
      """)

  @OptionGroup var file: ConfigurationOption

  @OptionGroup var logging: LoggingOptions

  /// Given by `guise run` to the program that it goes on as.
  @Option(
    help: .hidden,
    transform: { text throws(ValidationError) in
      guard let tunnel = RunningTunnel(text) else {
        throw ValidationError("'\(text)' is no tunnel that runs")
      }
      return tunnel
    })
  var running: [RunningTunnel] = []

  mutating func run() throws {
    let renewal = Renewal(running: running, check: ["config", "check", "--config=\(file.config)"])
    var supervisor = TunnelSupervisor(log: logging.logger(), renewal) { [file] in try file.read().tunnels }
    try supervisor.run()
  }
}
