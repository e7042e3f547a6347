/// Says when the next datagram may leave, so that a rate is held over time.
///
/// Every departure moves the schedule on by what it costs; a sender that was kept from running catches
/// up, but never by more than `backlogMax`: what is older is given up rather than sent at once.
package struct Pacer: Sendable {
  /// The most traffic that leaves in one go after a pause, in nanoseconds of the schedule.
  package static let backlogMax = 3_000_000.0

  private let rate: TrafficRate
  // Nanoseconds; `due` counts from `origin`, so that a double keeps fractions for months.
  private let origin: UInt64
  private var due = 0.0

  /// The first datagram is due at `origin` (nanoseconds).
  package init(_ rate: TrafficRate, origin: UInt64) {
    self.rate = rate
    self.origin = origin
  }

  /// How many nanoseconds from `now` until the next departure: 0 when it is due.
  @inline(__always)
  package func delay(at now: UInt64) -> UInt64 {
    if rate == .unlimited { return 0 }
    let elapsed = Double(now &- origin)
    return elapsed >= due ? 0 : UInt64((due - elapsed).rounded(.up))
  }

  /// Gives up what should have left more than `backlogMax` before `now`.
  @inline(__always)
  package mutating func limitBacklog(at now: UInt64) {
    due = max(due, Double(now &- origin) - Self.backlogMax)
  }

  /// Moves the schedule on by `datagrams` of `bytes` payload in all.
  @inline(__always)
  package mutating func depart(datagrams: Int, bytes: Int) {
    switch rate {
    case .unlimited: break
    case .bitsPerSecond(let rate): due += Double(bytes) * 8e9 / rate
    case .datagramsPerSecond(let rate): due += Double(datagrams) * 1e9 / rate
    }
  }
}
