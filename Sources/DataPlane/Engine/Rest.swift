internal import CLiburing

/// The sleeps of a busy worker, by which turns begin no more often than `Moderation` asks for
/// (docs/decisions/0006-moderation.md).
enum Rest {
  /// Sleeps until `interval` nanoseconds after the last turn began, at `start`; not at all when half of that has
  /// been worked through.
  @inline(__always)
  static func take(_ interval: UInt64, since start: UInt64) {
    if guise_now() < start &+ interval / 2 { guise_rest_until(start &+ interval) }
  }

  /// What comes first after a pause of a stream may be the head of a burst: lets what follows it come, for `time`
  /// nanoseconds.
  @inline(__always)
  static func linger(_ time: UInt64) { guise_rest_until(guise_now() &+ time) }

  /// Nanoseconds until a time of `guise_now`, 0 when that has passed; for ever stays for ever.
  @inline(__always)
  static func timeLeft(until deadline: UInt64) -> UInt64 {
    guard deadline != .max else { return .max }
    let now = guise_now()
    return deadline > now ? deadline - now : 0
  }
}
