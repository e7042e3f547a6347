import Testing

@testable import DataPlane

/// How a worker's rests follow bursts. Times are in nanoseconds.
struct BurstsTests {
  private static let interval: UInt64 = 400_000
  private static let pause: UInt64 = 500_000

  /// What is known after so many bursts, each of them cut off or whole.
  private func bursts(after count: Int, cut: Bool) -> Bursts {
    var bursts = Bursts()
    for _ in 0..<count {
      _ = bursts.timeForOthers(afterWaiting: Self.pause, interval: Self.interval)
      if cut { _ = bursts.timeForOthers(afterWaiting: 0, interval: Self.interval) }
    }
    return bursts
  }

  @Test func whileArrivalsFollowEachOtherARestIsDue() {
    var bursts = Bursts()
    for waited: UInt64 in [0, 28_000, 40_000] {
      #expect(bursts.timeForOthers(afterWaiting: waited, interval: Self.interval) == 0)
      #expect(bursts.restIsDue)
    }
  }

  @Test func afterAPauseNoneIsDueUntilArrivalsFollowEachOther() {
    var bursts = Bursts()
    for _ in 0..<3 {
      #expect(bursts.timeForOthers(afterWaiting: Self.pause, interval: Self.interval) > 0)
      #expect(!bursts.restIsDue)
    }
    _ = bursts.timeForOthers(afterWaiting: 28_000, interval: Self.interval)
    #expect(bursts.restIsDue)
  }

  @Test func aTailThatWasCutOffGetsLongerToComeUpToHalfAnInterval() {
    var last: UInt64 = 0
    for count in 0..<4 {
      var bursts = bursts(after: count, cut: true)
      let time = bursts.timeForOthers(afterWaiting: Self.pause, interval: Self.interval)
      #expect(time > last)
      last = time
    }
    var longest = bursts(after: 20, cut: true)
    #expect(longest.timeForOthers(afterWaiting: Self.pause, interval: Self.interval) == Self.interval / 2)
    // An interval that has become shorter holds at once.
    #expect(longest.timeForOthers(afterWaiting: Self.pause, interval: 100_000) == 50_000)
  }

  @Test func whereBurstsAreWholeNothingIsWaitedForInTheEnd() {
    var bursts = bursts(after: 200, cut: false)
    #expect(bursts.timeForOthers(afterWaiting: Self.pause, interval: Self.interval) == 0)
    // One that was cut off then is enough to begin anew.
    _ = bursts.timeForOthers(afterWaiting: 0, interval: Self.interval)
    #expect(
      bursts.timeForOthers(afterWaiting: Self.pause, interval: Self.interval) == Limits.pauseNanoseconds)
  }

  @Test func tailsOfSteadyStreamsTeachNothing() {
    var bursts = Bursts()
    for _ in 0..<100 { _ = bursts.timeForOthers(afterWaiting: 0, interval: Self.interval) }
    #expect(
      bursts.timeForOthers(afterWaiting: Self.pause, interval: Self.interval) == Limits.pauseNanoseconds)
  }
}
