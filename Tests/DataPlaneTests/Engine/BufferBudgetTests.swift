import Testing

@testable import DataPlane

@Suite struct BufferBudgetTests {
  private func count(after lengths: [Int]) -> Int {
    var budget = BufferBudget()
    for length in lengths { budget.note(length) }
    return budget.count
  }

  @Test func `small arrivals are not limited by it`() {
    #expect(count(after: []) > Limits.datagramBufferCount)
    #expect(count(after: Array(repeating: 1_452, count: 100)) > Limits.datagramBufferCount)
  }

  @Test func `trains are limited to what a cache holds, and to a few at least`() {
    #expect((18...20).contains(count(after: Array(repeating: 40 * 1_400, count: 100))))
    #expect(count(after: Array(repeating: Limits.packetLengthMax, count: 1_000)) == Limits.lentBufferCountMin)
  }

  @Test func `what comes now counts, not what came long ago`() {
    let trains = Array(repeating: 40 * 1_400, count: 100)
    #expect(count(after: trains + Array(repeating: 200, count: 100)) > Limits.datagramBufferCount)
  }

  @Test func `errors do not matter`() {
    #expect(count(after: Array(repeating: -105, count: 100)) > Limits.datagramBufferCount)
  }
}
