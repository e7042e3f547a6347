import Testing

@testable import DataPlane

/// When a worker rests, and when it polls. The clock is the test's own.
@Suite struct ModerationTests {
  private static let intervalMax = UInt64(Limits.moderationMicroseconds) * 1_000
  private static let pollTime: UInt64 = 100_000
  private static let window = Limits.moderationWindowNanoseconds

  /// Takes turns for some windows, in which so much happens each. Returns how the next turn is to wait.
  private func pace(
    streamed: Int = 0, datagrams: Int = 1, turned: Int = 0, trains: Int = 0, turnNanoseconds: UInt64,
    windows: UInt64 = 5, _ moderation: inout Moderation, from start: UInt64 = 0
  ) -> Pace {
    var now = start
    var pace = Pace.prompt
    while now < start + windows * Self.window {
      now += turnNanoseconds
      for _ in 0..<streamed { moderation.noteStreamed(datagrams) }
      for _ in 0..<turned { moderation.noteTurned() }
      for _ in 0..<trains { moderation.noteTrain() }
      pace = moderation.pace(now)
    }
    return pace
  }

  private func pace(
    streamed: Int = 0, datagrams: Int = 1, turned: Int = 0, trains: Int = 0, turnNanoseconds: UInt64,
    intervalMax: UInt64 = Self.intervalMax, pollTime: UInt64 = Self.pollTime
  ) -> Pace {
    var moderation = Moderation(intervalMax: intervalMax, pollTime: pollTime, now: 0)
    return pace(
      streamed: streamed, datagrams: datagrams, turned: turned, trains: trains,
      turnNanoseconds: turnNanoseconds, &moderation)
  }

  @Test func `nothing that streams, no rest`() {
    #expect(pace(turnNanoseconds: 10_000) == .prompt)
  }

  @Test func `too slow a stream is not worth a rest`() {
    #expect(pace(streamed: 1, trains: 1, turnNanoseconds: 81_000) == .prompt)
    #expect(pace(streamed: 1, trains: 1, turnNanoseconds: 80_000) == .resting(every: Self.intervalMax))
  }

  @Test func `trains are worth a rest when three of them come in one`() {
    #expect(
      pace(streamed: 1, datagrams: 2, trains: 1, turnNanoseconds: 133_000)
        == .resting(every: Self.intervalMax))
    #expect(pace(streamed: 1, datagrams: 40, trains: 1, turnNanoseconds: 134_000) == .prompt)
    #expect(
      pace(streamed: 1, datagrams: 15, trains: 1, turnNanoseconds: 133_000)
        == .resting(every: Self.intervalMax))
    // Unless they are large.
    #expect(pace(streamed: 1, datagrams: 16, trains: 1, turnNanoseconds: 133_000) == .prompt)
    #expect(
      pace(streamed: 1, datagrams: 16, trains: 1, turnNanoseconds: 80_000)
        == .resting(every: Self.intervalMax))
  }

  @Test func `a fast stream is looked at as often as a batch comes`() {
    // 400 000 a second: 96 in 240 us.
    #expect(pace(streamed: 4, trains: 1, turnNanoseconds: 10_000) == .resting(every: 96 * 2_500))
  }

  @Test func `full batches of what forms no trains go on without a rest`() {
    #expect(pace(streamed: 33, trains: 21, turnNanoseconds: 200_000) == .prompt)
    #expect(pace(streamed: 32, trains: 21, turnNanoseconds: 200_000) != .prompt)
    #expect(pace(streamed: 33, trains: 1, turnNanoseconds: 200_000) != .prompt)
  }

  @Test func `an interval of 0 switches rests off`() {
    #expect(pace(streamed: 10, trains: 1, turnNanoseconds: 10_000, intervalMax: 0) == .prompt)
  }

  @Test func `a stream that ends is forgotten within a window`() {
    var moderation = Moderation(intervalMax: Self.intervalMax, pollTime: Self.pollTime, now: 0)
    for _ in 0..<100 { moderation.noteStreamed(1) }
    #expect(moderation.pace(Self.window) != .prompt)
    #expect(moderation.pace(2 * Self.window) == .prompt)
  }

  @Test func `a conversation is polled for`() {
    #expect(pace(turned: 1, trains: 1, turnNanoseconds: 50_000) == .polling(for: Self.pollTime))
    #expect(pace(turned: 1, trains: 1, turnNanoseconds: 50_000, pollTime: 0) == .prompt)
  }

  @Test func `what mostly streams is no conversation`() {
    #expect(pace(streamed: 1, turned: 1, trains: 2, turnNanoseconds: 90_000) == .prompt)
    #expect(pace(streamed: 1, turned: 2, trains: 2, turnNanoseconds: 90_000) == .polling(for: Self.pollTime))
    #expect(pace(streamed: 3, turned: 9, turnNanoseconds: 90_000) == .resting(every: Self.intervalMax))
  }

  @Test func `a conversation that sleeps may be half as fast as one that polls`() {
    var moderation = Moderation(intervalMax: Self.intervalMax, pollTime: Self.pollTime, now: 0)
    let asleep = pace(turned: 1, turnNanoseconds: 200_000, windows: 1, &moderation)
    #expect(asleep == .polling(for: Self.pollTime))
    let awake = pace(turned: 1, turnNanoseconds: 101_000, windows: 1, &moderation, from: Self.window)
    #expect(awake == .prompt)
  }

  @Test func `attempts in vain become rare, and one that was worth it forgets them`() {
    var moderation = Moderation(intervalMax: Self.intervalMax, pollTime: Self.pollTime, now: 0)
    var now: UInt64 = 0
    /// Windows of arrivals each 200 us until it polls again; the one that finds it is in vain is the first.
    func windowsUntilPolling() -> Int {
      for count in 1...100 {
        let found = pace(turned: 1, turnNanoseconds: 200_000, windows: 1, &moderation, from: now)
        now += Self.window
        if found != .prompt { return count }
      }
      return 0
    }
    #expect(windowsUntilPolling() == 1)
    #expect((0..<8).map { _ in windowsUntilPolling() } == [2, 4, 8, 16, 32, 64, 64, 64])
    let awake = pace(turned: 1, turnNanoseconds: 50_000, windows: 3, &moderation, from: now)
    #expect(awake == .polling(for: Self.pollTime))
    now += 3 * Self.window
    #expect((0..<2).map { _ in windowsUntilPolling() } == [2, 4])
  }
}
