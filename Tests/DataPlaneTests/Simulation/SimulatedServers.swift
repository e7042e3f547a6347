@testable import DataPlane

/// A client and several servers, each at an address of its own, on a network that may lose whatever it likes.
final class SimulatedServers {
  let client: SimulatedGateway
  let servers: [SimulatedGateway]
  let remotes: RemoteBoard
  /// Whether a packet crosses; to a server, or from one.
  var passes: (_ packet: TestPacket, _ server: Int) -> Bool = { _, _ in true }
  /// Every packet that the client sent, whether it crossed or not, and when.
  private(set) var sent: [(at: UInt64, packet: TestPacket)] = []

  /// The first `known` servers are the client's; the others are for it to be told of.
  init(_ count: Int = 1, known: Int? = nil, clientFlows: Int = 1_024, seed: UInt64 = 1) throws {
    remotes = RemoteBoard((0..<(known ?? count)).map(Self.endpoint))
    client = try SimulatedGateway(
      WorkerPlan(SimulatedGateway.plan(.client, flowCountMax: clientFlows, workers: 1), remotes: remotes),
      seed: seed)
    servers = try (0..<count).map { number in
      var plan = SimulatedGateway.plan(.server, workers: 1)
      plan.tunAddress4 = Self.endpoint(number).address
      return try SimulatedGateway(WorkerPlan(plan), seed: seed)
    }
  }

  deinit { remotes.deallocate() }

  static func endpoint(_ server: Int) -> Endpoint { Endpoint(Address("192.0.2.\(2 + server)")!, port: 4_567) }

  var now: UInt64 { client.kernel.now }

  /// All take a turn, and what they wrote crosses or does not.
  func step(_ nanoseconds: UInt64 = 10_000_000) throws {
    client.kernel.now += nanoseconds
    for server in servers { server.kernel.now += nanoseconds }
    try client.turn()
    for packet in client.takePackets().map(TestPacket.init) {
      sent.append((now, packet))
      let server = Int(packet.destination[3]) - 2
      if passes(packet, server) { servers[server].kernel.inputs.append(.packet(packet.bytes)) }
    }
    for (number, server) in servers.enumerated() {
      try server.turn()
      for packet in server.takePackets().map(TestPacket.init) where passes(packet, number) {
        client.kernel.inputs.append(.packet(packet.bytes))
      }
    }
  }

  /// Steps for so long; `each` comes before every step.
  func run(seconds: Double, milliseconds: UInt64 = 20, each: () throws -> Void = {}) throws {
    let end = now + UInt64(seconds * 1e9)
    while now < end {
      try each()
      try step(milliseconds * 1_000_000)
    }
  }

  /// SYNs that the client has sent since `moment`.
  func syns(since moment: UInt64 = 0) -> [(at: UInt64, packet: TestPacket)] {
    sent.filter { $0.at > moment && $0.packet.flags == .syn }
  }

  /// The client's ports in what it has sent since `moment`, each once, in order.
  func ports(since moment: UInt64) -> [UInt16] {
    var ports: [UInt16] = []
    for (at, packet) in sent where at > moment && !ports.contains(packet.ports.0) {
      ports.append(packet.ports.0)
    }
    return ports
  }
}
