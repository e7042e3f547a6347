/// How a turn waits for arrivals. Times are in nanoseconds.
enum Pace: BitwiseCopyable, Equatable {
  /// Asleep until something comes.
  case prompt
  /// Rests first, whatever arrives, so that turns begin no more often than that.
  case resting(every: UInt64)
  /// Sleeps for so long, whatever arrives, and takes what has come without waiting for more.
  case lingering(for: UInt64)
  /// Looks for so long whether something has come, before it sleeps.
  case polling(for: UInt64)
}
