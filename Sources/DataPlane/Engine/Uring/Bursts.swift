/// How rests follow streams that pause between bursts (docs/decisions/0006-moderation.md).
///
/// A rest that nothing comes in is a wake-up for nothing. After one of those what comes next is waited for, and what
/// follows it is let come for as long as bursts have lasted, until arrivals follow each other without pauses again.
/// Times are in nanoseconds.
struct Bursts: BitwiseCopyable {
  /// Whether to rest before waiting.
  private(set) var restIsDue = true
  /// How long bursts go on after their head has come: more whenever a tail was cut off, else less.
  private var length = Limits.pauseNanoseconds
  /// Whether the last turn took what ended a pause.
  private var hasTakenHead = false

  /// To be told how long the first arrival of a turn was waited for. Returns how long to let others come, half of the
  /// longest rest at most; 0 when that is no head of a burst, or a sleep is not worth its wake-up.
  mutating func timeForOthers(afterWaiting waited: UInt64, interval: UInt64) -> UInt64 {
    let endsPause = waited > Limits.pauseNanoseconds
    restIsDue = !endsPause
    if hasTakenHead { noteTail(wasCut: !endsPause, interval) }
    hasTakenHead = endsPause
    return endsPause && length >= Limits.lingerNanosecondsMin ? min(length, interval / 2) : 0
  }

  private mutating func noteTail(wasCut: Bool, _ interval: UInt64) {
    if wasCut {
      length = min(max(length &+ length / 2, Limits.pauseNanoseconds), interval / 2)
    } else {
      length &-= length / 64
    }
  }
}
