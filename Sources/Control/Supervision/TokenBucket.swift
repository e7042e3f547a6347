/// Lets `rate` things a second pass on average, and as many at once when it has been quiet.
struct TokenBucket {
  private let rate: Double
  private var tokens: Double
  private var last: ContinuousClock.Instant

  /// Full at `now`.
  init(perSecond rate: Int, now: ContinuousClock.Instant) {
    precondition(rate > 0, "a bucket that never fills lets nothing pass")
    self.rate = Double(rate)
    tokens = Double(rate)
    last = now
  }

  /// Whether one more may pass now.
  mutating func take(_ now: ContinuousClock.Instant) -> Bool {
    if now > last {
      tokens = min(rate, tokens + (now - last) / .seconds(1) * rate)
      last = now
    }
    guard tokens >= 1 else { return false }
    tokens -= 1
    return true
  }
}
