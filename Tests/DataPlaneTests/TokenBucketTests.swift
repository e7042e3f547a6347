import Testing

@testable import DataPlane

@Suite struct TokenBucketTests {
  private static let millisecond: UInt64 = 1_000_000

  private func passed(_ bucket: inout TokenBucket, tries: Int, at milliseconds: UInt64) -> Int {
    var count = 0
    for _ in 0..<tries where bucket.take(milliseconds * Self.millisecond) { count += 1 }
    return count
  }

  @Test(arguments: [0, 10_000_000] as [UInt64])
  func `a full bucket lets its rate through at once and then nothing`(start: UInt64) {
    for rate in [1, 3, 5, 1_000, 20_000] {
      var bucket = TokenBucket(perSecond: rate, now: start * Self.millisecond)
      #expect(passed(&bucket, tries: rate + 50, at: start) == rate)
    }
  }

  @Test func `it fills with time`() {
    var bucket = TokenBucket(perSecond: 10, now: 0)
    #expect(passed(&bucket, tries: 10, at: 0) == 10)
    #expect(passed(&bucket, tries: 1, at: 90) == 0)
    #expect(passed(&bucket, tries: 2, at: 110) == 1)
    #expect(passed(&bucket, tries: 50, at: 3_600_000) == 10)
  }

  @Test func `a clock that stands still or goes back gives nothing`() {
    var bucket = TokenBucket(perSecond: 1, now: 20_000 * Self.millisecond)
    #expect(passed(&bucket, tries: 2, at: 20_000) == 1)
    #expect(passed(&bucket, tries: 1, at: 10_000) == 0)
    #expect(passed(&bucket, tries: 1, at: 20_000) == 0)
  }
}
