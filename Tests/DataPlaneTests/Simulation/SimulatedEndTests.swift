import Testing

@testable import DataPlane

/// How flows end.
extension SimulationTests {
  @Test func `a flow without traffic ends with a reset at both ends`() throws {
    let pair = try SimulatedPair()
    pair.client.send([1], from: Self.app(0))
    try pair.settle()
    try pair.step(2_000_000_000)
    try pair.settle()
    pair.client.kernel.now += 181_000_000_000
    try pair.client.turn()
    let packets = pair.client.takePackets()
    let reset = TestPacket(packets[0])
    #expect(reset.flags == .rst && reset.acknowledgement == 0)
    pair.server.kernel.inputs = packets.map { .packet($0) }
    try pair.server.turn()
    #expect(pair.client.flowCount == 0)
    #expect(pair.server.flowCount == 0)
    #expect(pair.server.kernel.sockets.isEmpty)
    #expect(pair.client.takeEvents().map(\.kind) == [.opened, .closedIdle])
    #expect(pair.server.takeEvents().map(\.kind) == [.opened, .closedByPeer])
  }

  @Test func `a server that forgot its flows resets them, and they are opened anew at once`() throws {
    let pair = try SimulatedPair()
    pair.client.send([1], from: Self.app(0))
    try pair.settle()
    let other = try SimulatedGateway(.server)
    pair.client.send([2], from: Self.app(0))
    try pair.client.turn()
    other.kernel.inputs = pair.client.takePackets().map { .packet($0) }
    try other.turn()
    let answer = other.takePackets()
    #expect(TestPacket(answer[0]).flags == [.rst, .ack])
    pair.client.kernel.inputs = answer.map { .packet($0) }
    try pair.client.turn()
    #expect(pair.client.takeEvents().map(\.kind) == [.opened, .closedByPeer])
    let syn = pair.client.takePackets()
    #expect(syn.map { TestPacket($0).flags } == [.syn])
    other.kernel.inputs += syn.map { .packet($0) }
    // What comes meanwhile waits for it.
    pair.client.send([3], from: Self.app(0))
    for _ in 0..<4 {
      try pair.client.turn()
      other.kernel.inputs += pair.client.takePackets().map { .packet($0) }
      try other.turn()
      pair.client.kernel.inputs += other.takePackets().map { .packet($0) }
    }
    #expect(other.takeDeliveries().map(\.payload) == [[3]])
  }

  @Test func `a gateway that ends resets its flows`() throws {
    let pair = try SimulatedPair()
    for flow in 0..<3 { pair.client.send([1], from: Self.app(flow)) }
    try pair.settle()
    pair.server.stop()
    let packets = pair.server.takePackets().map(TestPacket.init)
    #expect(packets.map(\.flags) == [.rst, .rst, .rst])
    // Its clients have been silent for a while.
    pair.client.kernel.now += Limits.reopeningNanoseconds
    pair.client.kernel.inputs = packets.map { .packet($0.bytes) }
    try pair.client.turn()
    #expect(pair.client.flowCount == 0)
  }
}
