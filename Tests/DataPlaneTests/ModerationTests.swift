import Testing

@testable import DataPlane

/// When a worker rests. The clock is the test's own.
@Suite struct ModerationTests {
  private static let intervalMax = UInt64(Limits.moderationMicroseconds) * 1_000
  private static let window = Limits.moderationWindowNanoseconds

  /// What the interval is after some windows of turns with so many arrivals, and trains, each.
  private func interval(
    arrivals: Int, trains: Int, turnNanoseconds: UInt64, intervalMax: UInt64 = Self.intervalMax
  ) -> UInt64 {
    var moderation = Moderation(intervalMax: intervalMax, now: 0)
    var now: UInt64 = 0
    var interval: UInt64 = 0
    while now < 5 * Self.window {
      now += turnNanoseconds
      for _ in 0..<arrivals { moderation.noteStreamed() }
      for _ in 0..<trains { moderation.noteTrain() }
      interval = moderation.interval(now)
    }
    return interval
  }

  @Test func `nothing that streams, no rest`() {
    #expect(interval(arrivals: 0, trains: 0, turnNanoseconds: 10_000) == 0)
  }

  @Test func `too slow a stream is not worth a rest`() {
    #expect(interval(arrivals: 1, trains: 1, turnNanoseconds: 41_000) == 0)
    #expect(interval(arrivals: 1, trains: 1, turnNanoseconds: 40_000) == Self.intervalMax)
  }

  @Test func `a fast stream is looked at as often as a batch comes`() {
    // 400 000 a second: 96 in 240 us.
    #expect(interval(arrivals: 4, trains: 1, turnNanoseconds: 10_000) == 96 * 2_500)
  }

  @Test func `full batches of what forms no trains go on without a rest`() {
    #expect(interval(arrivals: 33, trains: 21, turnNanoseconds: 200_000) == 0)
    #expect(interval(arrivals: 32, trains: 21, turnNanoseconds: 200_000) > 0)
    #expect(interval(arrivals: 33, trains: 1, turnNanoseconds: 200_000) > 0)
  }

  @Test func `an interval of 0 switches it off`() {
    #expect(interval(arrivals: 10, trains: 1, turnNanoseconds: 10_000, intervalMax: 0) == 0)
  }

  @Test func `a stream that ends is forgotten within a window`() {
    var moderation = Moderation(intervalMax: Self.intervalMax, now: 0)
    for _ in 0..<100 { moderation.noteStreamed() }
    #expect(moderation.interval(Self.window) > 0)
    #expect(moderation.interval(2 * Self.window) == 0)
  }
}
