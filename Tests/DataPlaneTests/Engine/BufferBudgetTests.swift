import Testing

@testable import DataPlane

@Suite struct BufferBudgetTests {
  private func count(after lengths: [Int], depth: Int = 1) -> Int {
    var budget = BufferBudget()
    for length in lengths { budget.note(length) }
    return budget.count(depth: depth)
  }

  @Test func `small arrivals are not limited by it, in turns of any depth`() {
    // What a turn takes, and one multishot receive more.
    let turn = Int(Limits.turnArrivalsMax) + Limits.moderationBatchFull
    let datagrams = Array(repeating: Limits.headroom + 1_452, count: 100)
    #expect(count(after: []) > Limits.datagramBufferCount)
    #expect(count(after: datagrams) >= turn)
    #expect(count(after: datagrams, depth: Limits.turnDepthMax) >= turn * Limits.turnDepthMax)
  }

  @Test func `trains are limited to what a cache holds, and to a few at least`() {
    #expect((4...5).contains(count(after: Array(repeating: 40 * 1_400, count: 100))))
    #expect(count(after: Array(repeating: Limits.packetLengthMax, count: 1_000)) == 4)
    #expect(count(after: Array(repeating: Limits.bufferStride, count: 1_000)) == 3)
  }

  @Test func `what comes now counts, not what came long ago`() {
    let trains = Array(repeating: 40 * 1_400, count: 100)
    #expect(count(after: trains + Array(repeating: 200, count: 100)) > Limits.datagramBufferCount)
  }

  @Test func `errors do not matter`() {
    #expect(count(after: Array(repeating: -105, count: 100)) > Limits.datagramBufferCount)
  }
}
