import Testing

@testable import DataPlane

/// What ought not to come.
extension SimulationTests {
  @Test func `oversized and empty datagrams are counted and reported once`() throws {
    let pair = try SimulatedPair()
    pair.client.send([1], from: Self.app(0))
    try pair.settle()
    _ = pair.client.takeEvents()
    for size in [1_461, 1_500, 0, 9_000] {
      pair.client.send([UInt8](repeating: 1, count: size), from: Self.app(0))
    }
    pair.client.send([5], from: Self.app(0))
    try pair.settle()
    #expect(pair.client.statistics[.datagramTooLarge] == 3)
    #expect(pair.client.statistics[.emptyDatagram] == 1)
    #expect(pair.server.takeDeliveries().map(\.payload) == [[1], [5]])
    let events = pair.client.takeEvents()
    #expect(events.count == 1 && events[0].kind == .datagramTooLarge)
    #expect(events[0].detail == 1_461 && events[0].limit == 1_460)
    expectBalance(pair.client)
  }

  /// Garbage on TUN while a flow is live: nothing traps, everything is counted, the flow loses nothing.
  @Test(arguments: 0..<20)
  func `garbage from the network disturbs nobody`(seed: UInt64) throws {
    var random = SeededRandom(seed: seed &+ 77)
    let pair = try SimulatedPair()
    pair.client.send([0], from: Self.app(0))
    try pair.settle()
    _ = pair.server.takeDeliveries()
    pair.client.send([1], from: Self.app(0))
    try pair.client.turn()
    let good = pair.client.takePackets()[0]
    for _ in 0..<500 {
      var bytes = random.chance(0.5) ? good : (0..<Int.random(in: 0...200, using: &random)).map { _ in 0 }
      // Without the kernel's word for the checksum, damage is found by it.
      if !bytes.isEmpty { bytes[0] = 0 }
      for _ in 0..<Int.random(in: 1...6, using: &random) where bytes.count > 12 {
        bytes[Int.random(in: 12..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      if random.chance(0.3) {
        bytes = Array(bytes.prefix(Int.random(in: 0...max(0, bytes.count), using: &random)))
      }
      if Self.hasValidChecksum(bytes) { bytes[Self.checksumAt] ^= 1 }
      pair.server.kernel.inputs.append(.packet(bytes))
    }
    try pair.server.turn()
    #expect(pair.server.takeDeliveries().isEmpty, "seed \(seed)")
    pair.server.kernel.inputs.append(.packet(good))
    try pair.server.turn()
    #expect(pair.server.takeDeliveries().map(\.payload) == [[1]], "seed \(seed)")
    #expect(pair.server.statistics.downlinkDrops(of: .server) == 500, "seed \(seed)")
    expectBalance(pair.server, "seed \(seed)")
  }

  /// Where a segment without IP options has its checksum, behind a vnet header.
  private static let checksumAt = 12 + 20 + 16

  /// Whether damage happens to have left, or made, a checksum valid: one in 65 536 has.
  private static func hasValidChecksum(_ frame: [UInt8]) -> Bool {
    guard frame.count > checksumAt + 1 else { return false }
    let ip = frame[12...]
    let length = min(Int(ip[14]) << 8 | Int(ip[15]), ip.count)
    guard length >= 20 else { return false }
    let segment = ip.dropFirst(20).prefix(length - 20)
    let size = segment.count
    return naiveSum(Array(ip[24..<32]) + [0, 6, UInt8(size >> 8), UInt8(size & 0xff)] + segment) == 0xffff
  }
}
