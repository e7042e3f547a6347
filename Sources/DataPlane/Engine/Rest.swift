internal import CLiburing

/// The sleeps of a busy worker, by which turns begin no more often than `Moderation` asks for
/// (docs/decisions/0006-moderation.md).
///
/// Streams may pause between bursts, and a rest that nothing comes in is a wake-up for nothing. After one of those
/// what comes next is waited for, and then let arrive for as long as bursts have lasted, until arrivals follow each
/// other without pauses again.
struct Rest: BitwiseCopyable {
  /// Whether to rest before waiting.
  private(set) var isDue = true
  /// How long bursts go on after their head has come, in nanoseconds: more whenever a tail was cut off, else less.
  private var burstLength = Limits.pauseNanoseconds
  /// Whether the last turn took what ended a pause.
  private var hasTakenHead = false

  /// Sleeps until `interval` nanoseconds after the last turn began, at `start`; not at all when half of that has
  /// been worked through.
  @inline(__always)
  static func take(_ interval: UInt64, since start: UInt64) {
    if guise_now() < start &+ interval / 2 { guise_rest_until(start &+ interval) }
  }

  /// To be told for how many nanoseconds the first arrival of a turn was waited for. When it may be the head of a
  /// burst, sleeps while the others come. Returns whether it has slept.
  @inline(__always)
  mutating func hasLingered(afterWaiting waited: UInt64, interval: UInt64) -> Bool {
    let time = lingeringTime(afterWaiting: waited, interval: interval)
    if time > 0 { guise_rest_until(guise_now() &+ time) }
    return time > 0
  }

  /// How long to sleep for that; 0: not at all.
  mutating func lingeringTime(afterWaiting waited: UInt64, interval: UInt64) -> UInt64 {
    let endsPause = waited > Limits.pauseNanoseconds
    isDue = !endsPause
    if hasTakenHead { noteTail(wasCut: !endsPause, interval) }
    hasTakenHead = endsPause
    return endsPause && burstLength >= Limits.lingerNanosecondsMin ? min(burstLength, interval / 2) : 0
  }

  private mutating func noteTail(wasCut: Bool, _ interval: UInt64) {
    if wasCut {
      burstLength = min(max(burstLength &+ burstLength / 2, Limits.pauseNanoseconds), interval / 2)
    } else {
      burstLength &-= burstLength / 64
    }
  }
}
