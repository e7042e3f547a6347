/// How often a busy worker wakes, so that what arrives meanwhile crosses as trains.
///
/// A worker that is quicker than its senders would handle each datagram by itself: a wake-up and a trip
/// through the kernel's stack for every one. So, like a network card's adaptive interrupt moderation
/// (ethtool(8), `adaptive-rx`), it sends off what it has and then lets about a batch arrive before it looks
/// again. Nothing that it has seen is held back. A worker with too much to do is late for its next wake-up
/// anyway, and does not rest.
///
/// Only *streams* count: an arrival whose flow had its last one in the same direction. Requests and answers
/// that alternate never make a worker rest, however many flows there are, nor does a lone datagram.
struct Moderation: BitwiseCopyable {
  /// The longest time from one wake-up to the next, in nanoseconds; 0 switches moderation off.
  let intervalMax: UInt64
  private var windowStart: UInt64
  private var streamed = 0
  /// From one wake-up to the next, by the rate of the window before; 0 when too little streams.
  private var interval: UInt64 = 0

  init(intervalMax: UInt64, now: UInt64) {
    self.intervalMax = intervalMax
    windowStart = now
  }

  /// An arrival that continues a stream.
  @inline(__always)
  mutating func noteStreamed() { streamed &+= 1 }

  /// Until when to rest after a turn that began at `now`; 0 for not at all.
  @inline(__always)
  mutating func restEnd(_ now: UInt64) -> UInt64 {
    let elapsed = now &- windowStart
    if elapsed >= Limits.moderationWindowNanoseconds { closeWindow(now, elapsed) }
    return interval == 0 ? 0 : now &+ interval
  }

  private mutating func closeWindow(_ now: UInt64, _ elapsed: UInt64) {
    let perBatch = streamed > 0 ? elapsed / UInt64(streamed) &* Limits.moderationBatch : .max
    // Too few come to be worth waiting for: less than an eighth of a batch in the longest interval.
    interval = perBatch / 8 > intervalMax ? 0 : min(intervalMax, perBatch)
    windowStart = now
    streamed = 0
  }
}
