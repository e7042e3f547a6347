import Testing

@testable import DataPlane

/// How a worker's rests follow bursts. Times are in nanoseconds.
struct RestTests {
  private static let interval: UInt64 = 400_000
  private static let pause: UInt64 = 500_000

  /// A rest that has seen so many bursts, each of them cut off or whole.
  private func rest(afterBursts count: Int, cut: Bool) -> Rest {
    var rest = Rest()
    for _ in 0..<count {
      _ = rest.lingeringTime(afterWaiting: Self.pause, interval: Self.interval)
      if cut { _ = rest.lingeringTime(afterWaiting: 0, interval: Self.interval) }
    }
    return rest
  }

  @Test func whileArrivalsFollowEachOtherItIsDue() {
    var rest = Rest()
    for waited: UInt64 in [0, 28_000, 40_000] {
      #expect(rest.lingeringTime(afterWaiting: waited, interval: Self.interval) == 0)
      #expect(rest.isDue)
    }
  }

  @Test func afterAPauseItIsNotDueUntilArrivalsFollowEachOther() {
    var rest = Rest()
    for _ in 0..<3 {
      #expect(rest.lingeringTime(afterWaiting: Self.pause, interval: Self.interval) > 0)
      #expect(!rest.isDue)
    }
    _ = rest.lingeringTime(afterWaiting: 28_000, interval: Self.interval)
    #expect(rest.isDue)
  }

  @Test func aTailThatWasCutOffGetsLongerToComeUpToHalfAnInterval() {
    var last: UInt64 = 0
    for count in 0..<4 {
      var rest = rest(afterBursts: count, cut: true)
      let time = rest.lingeringTime(afterWaiting: Self.pause, interval: Self.interval)
      #expect(time > last)
      last = time
    }
    var longest = rest(afterBursts: 20, cut: true)
    #expect(longest.lingeringTime(afterWaiting: Self.pause, interval: Self.interval) == Self.interval / 2)
    // An interval that has become shorter holds at once.
    #expect(longest.lingeringTime(afterWaiting: Self.pause, interval: 100_000) == 50_000)
  }

  @Test func whereBurstsAreWholeNothingIsWaitedForInTheEnd() {
    var rest = rest(afterBursts: 200, cut: false)
    #expect(rest.lingeringTime(afterWaiting: Self.pause, interval: Self.interval) == 0)
    // One that was cut off then is enough to begin anew.
    _ = rest.lingeringTime(afterWaiting: 0, interval: Self.interval)
    #expect(
      rest.lingeringTime(afterWaiting: Self.pause, interval: Self.interval) == Limits.pauseNanoseconds)
  }

  @Test func tailsOfSteadyStreamsTeachNothing() {
    var rest = Rest()
    for _ in 0..<100 { _ = rest.lingeringTime(afterWaiting: 0, interval: Self.interval) }
    #expect(
      rest.lingeringTime(afterWaiting: Self.pause, interval: Self.interval) == Limits.pauseNanoseconds)
  }
}
