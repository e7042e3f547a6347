internal import ArgumentParser
internal import Telemetry

/// The command `guise` itself; its subcommands do the work.
struct GuiseCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "guise",
    abstract: "Carries UDP inside what looks like TCP, past networks that slow or block UDP.",
    discussion: """
      Each datagram becomes one TCP segment: nothing is retransmitted, and nothing waits for what was lost. One end runs \
      'guise client' beside the program that sends UDP, the other 'guise server' beside the service. Either \
      end may be Phantun instead.

      WireGuard, for example, with a server whose UDP port 51820 is behind the TCP port 4567:

        server#  guise server --local 4567 --remote 127.0.0.1:51820
        client#  guise client --local 127.0.0.1:51821 --remote example.org:4567

      On the client, the peer's endpoint is 127.0.0.1:51821. WireGuard's usual MTU of 1420 fits, at both ends \
      (1428 at most); where the way between them is IPv6, 1400 (1408): a segment is 12 bytes longer than a datagram.

      Both ends need root or CAP_NET_ADMIN. They make a TUN device, switch on forwarding and translate \
      addresses, by programs at tc or a table of nftables; all of it is undone when they end. If they are killed, the next start goes on with it, and with their flows. \
      SIGINT and SIGTERM end them, SIGUSR1 prints the counters.
      """,
    version: Version.text,
    subcommands: [
      ClientCommand.self, ServerCommand.self, RunCommand.self, ConfigCommand.self, StatusCommand.self,
      TopCommand.self, FlowsCommand.self, ReconnectCommand.self, CheckCommand.self, CleanupCommand.self,
    ])
}
