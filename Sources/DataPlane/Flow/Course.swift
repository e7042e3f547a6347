/// Which way a flow's arrivals go, which tells streams from conversations (`Moderation`). One byte of its first cache line.
struct Course: BitwiseCopyable {
  /// What an arrival is to the flow's arrivals before it.
  enum Step {
    /// It goes the way of the last one.
    case streams
    /// It does not.
    case turns
    /// Nor did the last one: request and answer.
    case alternates
  }

  /// Bit 0: whether the last arrival went to UDP; bit 1: whether it turned.
  private var bits: UInt8

  /// Of a flow whose last arrival went that way.
  init(to direction: Direction) { bits = direction == .downlink ? 1 : 0 }

  @inline(__always)
  mutating func step(to direction: Direction) -> Step {
    let last = bits
    let way: UInt8 = direction == .downlink ? 1 : 0
    if last & 1 == way {
      bits = way
      return .streams
    }
    bits = way | 2
    return last & 2 == 0 ? .turns : .alternates
  }
}
