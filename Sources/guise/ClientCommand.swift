internal import ArgumentParser
internal import Control

/// `guise client`.
struct ClientCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "client",
    abstract: "Takes UDP datagrams and opens TCP flows to a server.",
    discussion: """
      Every program that sends to the local address gets a flow of its own, and its answers come from the \
      address that it sent to.

        guise client --local 127.0.0.1:51821 --remote server.example.org:4567
      """)

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp(
      "Where datagrams come in: an address of this host, 0.0.0.0 or [::] for all.", valueName: "address:port"),
    transform: HostPort.init)
  var local: HostPort

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("The server: its name or address, and its TCP port.", valueName: "host:port"),
    transform: HostPort.init)
  var remote: HostPort

  @OptionGroup var options: GatewayOptions

  mutating func run() throws {
    try options.run(GatewayConfiguration(listen: .udp(local), remote: remote))
  }
}
