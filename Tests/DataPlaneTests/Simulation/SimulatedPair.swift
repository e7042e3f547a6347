import Testing

@testable import DataPlane

/// A client and a server with a link each way.
final class SimulatedPair {
  let client: SimulatedGateway
  let server: SimulatedGateway
  private var up: SimulatedLink
  private var down: SimulatedLink

  init(
    _ faults: LinkFaults = LinkFaults(), seed: UInt64 = 1, isIPv6: Bool = false, clientOffload: Bool = true,
    serverOffload: Bool = true, flowCountMax: Int = 1_024, mtu: Int = 1_500, connections: Int = 1
  ) throws {
    client = try SimulatedGateway(
      .client, isIPv6: isIPv6, offload: clientOffload, flowCountMax: flowCountMax, seed: seed, mtu: mtu,
      connections: connections)
    server = try SimulatedGateway(
      .server, isIPv6: isIPv6, offload: serverOffload, flowCountMax: flowCountMax, seed: seed, mtu: mtu)
    up = SimulatedLink(faults, seed: seed &* 2)
    down = SimulatedLink(faults, seed: seed &* 2 &+ 1)
  }

  /// Both take a turn, and what they wrote crosses.
  func step(_ nanoseconds: UInt64 = 100_000) throws {
    client.kernel.now += nanoseconds
    server.kernel.now += nanoseconds
    try client.turn()
    server.kernel.inputs += up.carry(client.takePackets()).map { .packet($0) }
    try server.turn()
    client.kernel.inputs += down.carry(server.takePackets()).map { .packet($0) }
  }

  /// Steps until nothing more happens, at most `steps` times.
  func settle(steps: Int = 8) throws {
    for _ in 0..<steps { try step() }
  }

  /// Once both are at rest, every buffer and train is free again.
  func expectNoLeak(_ seed: UInt64) {
    client.stop()
    server.stop()
    for gateway in [client, server] {
      #expect(gateway.freeTrains == Limits.trainCount, "seed \(seed)")
      #expect(gateway.freeBuffers == SimulatedGateway.allBuffers, "seed \(seed)")
    }
  }
}
