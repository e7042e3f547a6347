/// When a busy worker rests between turns, so that what arrives meanwhile crosses as trains.
///
/// A worker that is quicker than its senders would handle each datagram by itself: a wake-up and a trip
/// through the kernel's stack for every one. So, like a network card's adaptive interrupt moderation
/// (ethtool(8), `adaptive-rx`), it sends off what it has, and then rests for about as long as a batch takes
/// to arrive. Nothing that has arrived is held back.
///
/// Only *streams* count: an arrival whose flow had its last one in the same direction. Requests and answers
/// that alternate never make a worker rest, however many flows there are, nor does a lone datagram.
struct Moderation: BitwiseCopyable {
  /// The longest rest in nanoseconds; 0 switches it off.
  let restMax: UInt64
  private var windowStart: UInt64
  private var streamed = 0
  /// Rest of this window, from the rate of the one before.
  private var rest: UInt64 = 0

  init(restMax: UInt64, now: UInt64) {
    self.restMax = restMax
    windowStart = now
  }

  /// An arrival that continues a stream.
  @inline(__always)
  mutating func noteStreamed() { streamed &+= 1 }

  /// How long to rest before the next wait, in nanoseconds; 0 for not at all.
  @inline(__always)
  mutating func restNow(_ now: UInt64) -> UInt64 {
    let elapsed = now &- windowStart
    if elapsed >= Limits.moderationWindowNanoseconds { closeWindow(now, elapsed) }
    return rest
  }

  private mutating func closeWindow(_ now: UInt64, _ elapsed: UInt64) {
    let perBatch = streamed > 0 ? elapsed / UInt64(streamed) &* Limits.moderationBatch : .max
    // Too few come to be worth waiting for: less than an eighth of a batch in the longest rest.
    rest = perBatch / 8 > restMax ? 0 : min(restMax, perBatch)
    windowStart = now
    streamed = 0
  }
}
