/// When to try again what was in vain: after one occasion, then after three, seven, and so on.
struct Attempts: BitwiseCopyable {
  /// Occasions to pass by: after the last attempt, and from now.
  private var pause: UInt8 = 0
  private var pauseLeft: UInt8 = 0

  /// Whether to make an attempt. To be asked on each occasion.
  @inline(__always)
  mutating func areDue() -> Bool {
    if pauseLeft > 0 { pauseLeft &-= 1 }
    return pauseLeft == 0
  }

  /// To be told what came of one.
  @inline(__always)
  mutating func note(wasWorthIt: Bool) {
    pause = wasWorthIt ? 0 : min(2 &* pause &+ 1, Limits.attemptPauseMax)
    pauseLeft = pause
  }
}
