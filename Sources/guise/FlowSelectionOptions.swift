internal import ArgumentParser
internal import Control
internal import Telemetry

/// Which flows a command is about: those that fit everything that is given.
struct FlowSelectionOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("Flows with this TCP port at this end.", valueName: "port"),
    transform: HostPort.port)
  var port: UInt16?

  @Option(
    help: ArgumentHelp("Flows with this other end.", valueName: "address[:port]"),
    transform: EndpointPattern.init)
  var remote: EndpointPattern?

  @Option(
    help: ArgumentHelp(
      "Flows with this UDP side: client: the program; server: the port that the service sees.",
      valueName: "address[:port]"),
    transform: EndpointPattern.init)
  var peer: EndpointPattern?

  @Option(
    help: ArgumentHelp("Flows that have carried no datagram for so long.", valueName: "seconds"))
  var silent: Double?

  /// Whether nothing is given, so that every flow fits.
  var isEmpty: Bool { query == FlowQuery() }

  mutating func validate() throws {
    if let silent, !FlowQuery.silenceRange.contains(silent) {
      throw ValidationError("--silent \(silent) is out of bounds: use 0 or more seconds")
    }
  }

  var query: FlowQuery {
    var query = FlowQuery()
    query.localPort = port
    query.remote = remote?.address.map { "\($0)" }
    query.remotePort = remote?.port
    query.peer = peer?.address.map { "\($0)" }
    query.peerPort = peer?.port
    query.silentSeconds = silent
    return query
  }
}
