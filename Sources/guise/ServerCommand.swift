internal import ArgumentParser
internal import Control

/// `guise server`.
struct ServerCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "server",
    abstract: "Takes TCP flows and hands their datagrams to a UDP service.",
    discussion: """
      Every flow sends to the service from a UDP port of its own. The TCP port is taken on all addresses of \
      this host, or on the one that is given; a program that listens on it gets nothing while guise runs.

        guise server --local 4567 --remote 127.0.0.1:51820
      """)

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp(
      "The TCP port that clients connect to; with an address of this host, on that alone.",
      valueName: "[address:]port"),
    transform: ListenPort.init)
  var local: ListenPort

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("The UDP service: its name or address, and its port.", valueName: "host:port"),
    transform: HostPort.init)
  var remote: HostPort

  @OptionGroup var options: GatewayOptions

  mutating func run() throws {
    try options.run(GatewayConfiguration(listen: .tcp(local.address, port: local.port), remote: remote))
  }
}
