/// Lets `rate` things a second pass on average, and as many at once when it has been quiet.
///
/// Times are nanoseconds of one clock. In place of tokens it keeps the time up to which they are spent.
package struct TokenBucket: Sendable, BitwiseCopyable {
  private static let depth: Int64 = 1_000_000_000
  /// What one costs, in nanoseconds.
  private let cost: Int64
  private var spentUpTo: Int64

  /// Full at `now`.
  package init(perSecond rate: Int, now: UInt64) {
    precondition(rate > 0, "a bucket that never fills lets nothing pass")
    cost = max(Self.depth / Int64(rate), 1)
    spentUpTo = Int64(now) - Self.depth
  }

  /// Whether one more may pass now.
  package mutating func take(_ now: UInt64) -> Bool {
    let spent = max(spentUpTo, Int64(now) - Self.depth) + cost
    guard spent <= Int64(now) else { return false }
    spentUpTo = spent
    return true
  }
}
