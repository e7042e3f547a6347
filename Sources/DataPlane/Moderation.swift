/// How often a busy worker wakes, so that what arrives meanwhile crosses as trains
/// (docs/decisions/0006-moderation.md).
///
/// A worker that is quicker than its senders would handle each datagram by itself: a wake-up and a trip
/// through the kernel's stack for every one. So, like a network card's adaptive interrupt moderation
/// (ethtool(8), `adaptive-rx`), it sends off what it has and then lets about a batch arrive before it looks
/// again. A worker that has enough to do does not rest: batches form by themselves then.
///
/// Only *streams* count: an arrival whose flow had its last one in the same direction. Requests and answers
/// that alternate never make a worker rest, however many flows there are, nor does a lone datagram.
struct Moderation: BitwiseCopyable {
  /// The longest time from one wake-up to the next, in nanoseconds; 0 switches moderation off.
  let intervalMax: UInt64

  /// Since the window began: arrivals that continue a stream, and trains that were closed.
  private var streamed = 0
  private var trains = 0
  private var windowStart: UInt64
  /// `streamed` as the last turn began.
  private var streamedBefore = 0

  /// By the window before: from one wake-up to the next, and whether arrivals join to trains.
  private var current: UInt64 = 0
  private var trainsForm = false

  init(intervalMax: UInt64, now: UInt64) {
    self.intervalMax = intervalMax
    windowStart = now
  }

  /// An arrival that continues a stream.
  @inline(__always)
  mutating func noteStreamed() { streamed &+= 1 }

  /// A train that leaves, on either path.
  @inline(__always)
  mutating func noteTrain() { trains &+= 1 }

  /// From one wake-up to the next, in nanoseconds, after the turn that began at `now`; 0: as often as
  /// something comes. To be called once a turn.
  @inline(__always)
  mutating func interval(_ now: UInt64) -> UInt64 {
    let batch = streamed &- streamedBefore
    let elapsed = now &- windowStart
    if elapsed >= Limits.moderationWindowNanoseconds { closeWindow(now, elapsed) }
    streamedBefore = streamed
    // Where no trains form, rests save wake-ups and nothing else: a worker whose batches are full has none.
    return batch >= Limits.moderationBatchFull && !trainsForm ? 0 : current
  }

  private mutating func closeWindow(_ now: UInt64, _ elapsed: UInt64) {
    // How long one arrival takes to come.
    let awaited = elapsed / UInt64(max(streamed, 1))
    let worthwhile = streamed > 0 && awaited &* Limits.moderationBatchMin <= intervalMax
    current = worthwhile ? min(intervalMax, awaited &* Limits.moderationBatch) : 0
    trainsForm = streamed >= trains &* 4
    windowStart = now
    streamed = 0
    trains = 0
  }
}
