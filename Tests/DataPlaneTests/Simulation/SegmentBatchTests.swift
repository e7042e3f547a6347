import Testing

@testable import DataPlane

/// With more flows than caches hold, segments are put off until a few are there. Nobody may notice.
@Suite struct SegmentBatchTests {
  private static let flowCount = Limits.cachedFlowCount + 100

  private static func source(_ number: Int) -> Endpoint {
    Endpoint(Address("127.0.0.1")!, port: UInt16(1_024 + number))
  }

  /// A pair with so many open flows that batches form.
  private static func openPair() throws -> SimulatedPair {
    let pair = try SimulatedPair(flowCountMax: 4_096)
    for first in stride(from: 0, to: flowCount, by: 64) {
      for number in first..<min(first + 64, flowCount) { pair.client.send([0], from: source(number)) }
      try pair.settle(steps: 4)
    }
    #expect(pair.server.flowCount == flowCount && pair.client.flowCount == flowCount)
    _ = pair.server.takeDeliveries()
    for number in 0..<flowCount { pair.server.answer([0], flow: UInt32(number)) }
    try pair.settle(steps: 2)
    #expect(pair.client.takeDeliveries().count == flowCount)
    return pair
  }

  /// What the server delivers of these packets, read in one turn.
  private static func deliveries(of packets: [[UInt8]], _ pair: SimulatedPair) throws -> [[UInt8]] {
    pair.server.kernel.inputs = packets.map { .packet($0) }
    pair.server.kernel.batchMax = packets.count
    try pair.server.turn()
    #expect(pair.server.kernel.inputs.isEmpty && pair.server.worker.segments.count == 0)
    return pair.server.takeDeliveries().map(\.payload)
  }

  @Test func `every segment of a turn is dealt with in it, in order`() throws {
    let pair = try Self.openPair()
    for count in [1, 2, 15, 16, 17, 40] {
      // Several of each flow, with others between; none joins another, so that their order shows.
      let payloads = (0..<count).map { [UInt8](repeating: UInt8($0), count: $0 + 1) }
      for (number, payload) in payloads.enumerated() {
        pair.client.send(payload, from: Self.source(number % 3))
        try pair.client.turn()
      }
      let delivered = try Self.deliveries(of: pair.client.takePackets(), pair)
      #expect(delivered.count == count)
      for flow in 0..<3 {
        let expected = payloads.indices.filter { $0 % 3 == flow }.map { payloads[$0] }
        #expect(delivered.filter { Int($0[0]) % 3 == flow } == expected, "\(count) segments")
      }
    }
    expectBalance(pair.server)
    pair.expectNoLeak(0)
  }

  @Test func `a flow that a segment ends is gone for the next one of the same batch`() throws {
    let pair = try Self.openPair()
    pair.client.send([1], from: Self.source(7))
    try pair.client.turn()
    let data = try #require(pair.client.takePackets().first)
    var reset = TestPacket(data)
    reset.payload = []
    reset.flags = .rst
    reset.sequence &+= 1
    var late = TestPacket(data)
    late.sequence &+= 1
    // Or it would return the cookie once more, and open the flow again.
    late.acknowledgement &+= 1
    let flowsBefore = pair.server.flowCount
    let delivered = try Self.deliveries(of: [data, reset.bytes, late.bytes], pair)
    #expect(delivered == [[1]])
    #expect(pair.server.flowCount == flowsBefore - 1)
    #expect(pair.server.statistics[.unknownFlow] == 1)
    #expect(pair.server.takePackets().map { TestPacket($0).flags } == [[.rst, .ack]])
    expectBalance(pair.server)
  }

  @Test func `a flow that a segment opens is there for the next one of the same batch`() throws {
    let pair = try Self.openPair()
    pair.client.send([5], from: Self.source(Self.flowCount))
    try pair.client.turn()
    pair.server.kernel.inputs = pair.client.takePackets().map { .packet($0) }
    try pair.server.turn()
    pair.client.kernel.inputs = pair.server.takePackets().map { .packet($0) }
    try pair.client.turn()
    let packets = pair.client.takePackets()
    #expect(packets.count >= 2, "what returns the cookie, and the datagram")
    #expect(try Self.deliveries(of: packets, pair) == [[5]])
    #expect(pair.server.flowCount == Self.flowCount + 1)
    expectBalance(pair.server)
  }
}
