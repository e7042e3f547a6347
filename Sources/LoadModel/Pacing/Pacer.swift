/// Says when the next datagram may leave, so that a rate is held over time.
///
/// Every departure moves the schedule on by what it costs. A sender that was kept from running catches up
/// smoothly: a few milliseconds of traffic at once, then twice the rate until the schedule is met. What is
/// very old is given up.
package struct Pacer: Sendable {
  /// The most traffic that leaves at once after a pause, in nanoseconds of the schedule.
  package static let burstMax = 4_000_000.0
  /// How far behind the schedule a sender may be before it gives the difference up, in nanoseconds.
  package static let backlogMax = 200_000_000.0
  /// How much faster than the rate a sender catches up.
  private static let catchUpFactor = 2.0

  private let rate: TrafficRate
  // Nanoseconds; the others count from `origin`, so that a double keeps fractions for months.
  private let origin: UInt64
  // When the rate lets the next datagram go, and when the limit on catching up does.
  private var due = 0.0
  private var spaced = 0.0

  /// Longer than anybody waits: a rate may be as small as one likes.
  private static let delayMax = 1e18

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
    let next = max(due, spaced)
    return elapsed >= next ? 0 : UInt64(min(next - elapsed, Self.delayMax).rounded(.up))
  }

  /// Forgets what lies too far before `now`. Call it when the clock was read, before `delay`.
  @inline(__always)
  package mutating func limitBacklog(at now: UInt64) {
    let elapsed = Double(now &- origin)
    due = max(due, elapsed - Self.backlogMax)
    spaced = max(spaced, elapsed - Self.burstMax / Self.catchUpFactor)
  }

  /// Moves the schedule on by `datagrams` of `bytes` payload in all.
  @inline(__always)
  package mutating func depart(datagrams: Int, bytes: Int) {
    let cost: Double
    switch rate {
    case .unlimited: return
    case .bitsPerSecond(let rate): cost = Double(bytes) * 8e9 / rate
    case .datagramsPerSecond(let rate): cost = Double(datagrams) * 1e9 / rate
    }
    due += cost
    spaced += cost / Self.catchUpFactor
  }
}
