/// How conversations get past the rests of a worker that has streams as well (docs/decisions/0006-moderation.md, rule 6).
///
/// What a turn delivers to a program may be answered within microseconds, and the answer would wait for all of the
/// next rest. So the worker looks once more after a moment, and then rests for what is left. Where nothing was
/// answered in time, the next attempts become rare.
struct Answers: BitwiseCopyable {
  /// Since the last turn: whether a conversation's arrival went to UDP, and to TUN.
  private var hasDelivered = false
  private var hasAnswered = false
  /// When the turn began after which answers are looked for, CLOCK_MONOTONIC nanoseconds; 0 when none are.
  private var restStart: UInt64 = 0
  private var attempts = Attempts()

  /// An arrival of a flow whose arrivals alternate.
  @inline(__always)
  mutating func note(_ direction: Direction) {
    switch direction {
    case .downlink: hasDelivered = true
    case .uplink: hasAnswered = true
    }
  }

  /// How a worker that rests every `interval` nanoseconds is to wait, after the turn that began at `now`.
  @inline(__always)
  mutating func pace(_ now: UInt64, resting interval: UInt64) -> Pace {
    let (delivered, answered, start) = (hasDelivered, hasAnswered, restStart)
    forget()
    if start > 0 {
      attempts.note(wasWorthIt: answered)
      return .resting(every: interval &- min(now &- start, interval / 2))
    }
    guard delivered, attempts.areDue() else { return .resting(every: interval) }
    restStart = now
    return .lingering(for: min(Limits.answerNanoseconds, interval / 4))
  }

  /// To be called after a turn in place of `pace` when the worker does not rest.
  @inline(__always)
  mutating func forget() {
    hasDelivered = false
    hasAnswered = false
    restStart = 0
  }
}
