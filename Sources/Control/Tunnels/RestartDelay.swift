/// How long to wait before a process that ended by itself is started again: longer each time, until one has run for
/// a while.
struct RestartDelay {
  static let first = Duration.milliseconds(100)
  static let longest = Duration.seconds(30)
  /// Whoever has run for so long has got over it.
  static let recovery = Duration.seconds(60)

  private var next = first

  /// The wait after a process that has run for `duration`.
  mutating func after(running duration: Duration) -> Duration {
    if duration >= Self.recovery { next = Self.first }
    defer { next = min(next * 2, Self.longest) }
    return next
  }
}
