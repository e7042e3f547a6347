/// Which of the TCP flows that each UDP source is spread over are one worker's (docs/decisions/0022-one-flow-one-worker.md).
struct ConnectionShare: BitwiseCopyable {
  let count: Int
  let first: Int
  let step: Int

  /// Whether a source's flows must be told apart by their numbers.
  var isNumbered: Bool { count > 1 || step > 1 }

  /// The number of the one that a hash falls to, of which the upper half counts.
  @inline(__always)
  func number(_ hash: UInt64) -> UInt16 {
    guard count > 1 else { return UInt16(truncatingIfNeeded: first) }
    let rank = ((hash &>> 32) &* UInt64(count)) &>> 32
    return UInt16(truncatingIfNeeded: first &+ step &* Int(rank))
  }
}
