internal import ArgumentParser
internal import Control

/// `guise client`.
struct ClientCommand: GatewayCommand {
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
    help: ArgumentHelp(
      """
      The server: its name or address, and its TCP port. Given again: another one, for when those before it \
      do not answer.
      """, valueName: "host:port"),
    transform: HostPort.init)
  var remote: [HostPort]

  @Option(
    help: ArgumentHelp(
      "Ask for a sign of life when a flow was silent for so long; 0: never, while it is silent.",
      valueName: "seconds"))
  var keepalive = GatewayConfiguration.keepaliveDefault

  @Option(
    help: ArgumentHelp(
      "Spread each program's datagrams over so many TCP flows; its service sees as many senders.",
      valueName: "count"))
  var connections = 1

  @Option(
    help: ArgumentHelp(
      """
      auto: share each program's connections out among the workers, so that one fast program has several cores. Its \
      datagrams overtake each other more. off, the default: all are one worker's.
      """, valueName: "auto|off"),
    transform: { try GatewayOptions.choice($0) })
  var spread = GatewayConfiguration.SpreadMode.off

  @OptionGroup var options: GatewayOptions

  mutating func validate() throws {
    let range = GatewayConfiguration.connectionsRange
    guard range.contains(connections) else {
      throw ValidationError(
        "--connections \(connections) is out of bounds: use \(range.lowerBound) to \(range.upperBound)")
    }
    guard spread == .off || connections > 1 else {
      throw ValidationError(
        "--spread auto shares out connections: it needs '--connections' of 2 or more")
    }
    let keepalives = GatewayConfiguration.keepaliveRange
    guard keepalives.contains(keepalive) else {
      throw ValidationError(
        "--keepalive \(keepalive) is out of bounds: use \(keepalives.lowerBound) to \(keepalives.upperBound)")
    }
    guard (1...GatewayConfiguration.remotesMax).contains(remote.count) else {
      throw ValidationError("--remote can be given \(GatewayConfiguration.remotesMax) times at most")
    }
  }

  var configuration: GatewayConfiguration {
    var configuration = GatewayConfiguration(listen: .udp(local), remote: remote[0])
    configuration.fallbacks = Array(remote.dropFirst())
    configuration.keepaliveSeconds = keepalive
    configuration.connections = connections
    configuration.spread = spread
    options.fill(&configuration)
    return configuration
  }
}
