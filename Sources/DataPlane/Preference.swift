/// Which of several servers a worker's flows go to. The first is preferred to the second, and so on.
///
/// One that does not answer is passed over. What is preferred to the one in use is tried again every now and
/// then, by one flow; when it answers, the others follow.
struct Preference {
  private let count: UInt8
  /// Where new flows go.
  private(set) var current: UInt8 = 0
  /// Whether it has answered since it became the current one.
  private var isProven = false
  private var trialDue: UInt64
  private var nextTrial: UInt8 = 0
  /// The last one that the log was told of.
  private var announced: UInt8 = 0

  init(count: UInt8, now: UInt64) {
    self.count = count
    trialDue = now + Limits.failbackNanoseconds
  }

  mutating func noteFailure(of target: UInt8) {
    guard target == current, count > 1 else { return }
    current = (current + 1) % count
    isProven = false
  }

  mutating func noteAnswer(of target: UInt8) {
    current = target
    isProven = true
  }

  /// The current one, if it has answered and is another than at the last call.
  mutating func takeNews() -> UInt8? {
    guard isProven, current != announced else { return nil }
    announced = current
    return current
  }

  /// Where a flow to `target` should try to go now; nil to stay.
  mutating func betterTarget(than target: UInt8, now: UInt64) -> UInt8? {
    if isProven, current < target { return current }
    guard now >= trialDue else { return nil }
    trialDue = now + Limits.failbackNanoseconds
    nextTrial = nextTrial < target ? nextTrial : 0
    defer { nextTrial += 1 }
    return nextTrial
  }
}
