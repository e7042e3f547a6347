import Testing

@testable import DataPlane

/// What a flow takes of memory and of caches, of which hundreds of thousands must share both.
@Suite struct FlowLayoutTests {
  private func line(of field: PartialKeyPath<Flow>) throws -> Int {
    try #require(MemoryLayout<Flow>.offset(of: field)) / 64
  }

  @Test func `a datagram of an established flow touches one cache line, a segment two`() throws {
    let uplink: [PartialKeyPath<Flow>] = [
      \.key, \.sendNext, \.receiveNext, \.acknowledged, \.state, \.course, \.generation, \.uplinkTrain,
      \.segmentBytesMax, \.lastActivity,
    ]
    for field in uplink { #expect(try line(of: field) == 0) }
    #expect(MemoryLayout<Flow>.offset(of: \.lastActivity)! + 8 <= 64)
    let downlink: [PartialKeyPath<Flow>] = [\.peer, \.downlinkTrain, \.pendingHead, \.ackDueAt, \.liveness]
    for field in downlink { #expect(try line(of: field) == 1) }
    #expect(MemoryLayout<Flow>.offset(of: \.liveness)! + MemoryLayout<Liveness>.size <= 128)
  }

  @Test func `a flow takes no more than 512 bytes of a worker's memory, whatever the capacity`() throws {
    // A worker of a client, which has both indexes, with an engine's entry for each flow's socket.
    let engine = max(
      MemoryLayout<UInt32>.stride + MemoryLayout<Token>.stride, MemoryLayout<SocketTable.Entry>.stride)
    for capacity in [1_024, 65_536, 100_000, 1_000_000] {
      let entries = 2 * KeyIndex.byteCount(capacity: capacity)
      let bytes =
        FlowTable.stride + MemoryLayout<UInt32>.stride + TimerWheel.bytesPerTimer + IdleOrder.bytesPerFlow
        + engine
        + entries
        / capacity
      #expect(bytes <= 512, "\(bytes) bytes a flow at \(capacity)")
    }
  }

  @Test func `every flow begins a cache line`() { #expect(FlowTable.stride % 64 == 0) }
}
