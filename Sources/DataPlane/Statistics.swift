internal import Synchronization

/// What a worker counts, besides drops.
package enum Counter: Int, CaseIterable, Sendable {
  case datagramsIn
  case datagramBytesIn
  case datagramsOut
  case datagramBytesOut
  case segmentsIn
  case segmentBytesIn
  case segmentsOut
  case segmentBytesOut
  case controlSegmentsIn
  case controlSegmentsOut
  /// Those of them that the kernel did not take.
  case controlSegmentsRefused
  case tunReads
  case tunWrites
  case udpReceives
  case udpSends
  case flowsOpened
  case flowsClosed
  /// Flows of an earlier process that went on here.
  case flowsResumed
  /// Flows that another took the place of, with the same UDP side.
  case flowsReopened
  /// Segments that asked the other end for a sign of life.
  case probes
  /// Of those closed: the longest silent, for want of room.
  case flowsDisplaced
  /// Server: SYNs answered with a cookie.
  case cookiesSent
  /// Resets in answer to segments of no flow, and those that would have been too many.
  case resetsSent
  case resetsWithheld
  case handoffs
  /// ICMP errors that lowered a flow's limit.
  case pathMTUUpdates
  case turns
  /// Nanoseconds that turns have looked for arrivals before they slept (`Pace.polling`).
  case nanosecondsPolled

  package var name: String {
    switch self {
    case .datagramsIn: "datagrams in"
    case .datagramBytesIn: "datagram bytes in"
    case .datagramsOut: "datagrams out"
    case .datagramBytesOut: "datagram bytes out"
    case .segmentsIn: "segments in"
    case .segmentBytesIn: "segment bytes in"
    case .segmentsOut: "segments out"
    case .segmentBytesOut: "segment bytes out"
    case .controlSegmentsIn: "control segments in"
    case .controlSegmentsOut: "control segments out"
    case .controlSegmentsRefused: "control segments refused"
    case .tunReads: "TUN reads"
    case .tunWrites: "TUN writes"
    case .udpReceives: "UDP receives"
    case .udpSends: "UDP sends"
    case .flowsOpened: "flows opened"
    case .flowsClosed: "flows closed"
    case .flowsResumed: "flows resumed"
    case .flowsReopened: "flows reopened"
    case .probes: "keepalives out"
    case .flowsDisplaced: "flows displaced"
    case .cookiesSent: "cookies sent"
    case .resetsSent: "resets sent"
    case .resetsWithheld: "resets withheld"
    case .handoffs: "hand-offs"
    case .pathMTUUpdates: "path MTU updates"
    case .turns: "turns"
    case .nanosecondsPolled: "nanoseconds polled"
    }
  }
}

/// A worker's counters: written by its thread alone, read by anybody at any time.
///
/// A relaxed load and store compile to plain moves: no lock prefix on the packet's path.
@safe
struct Statistics: @unchecked Sendable {
  private let cells: UnsafeMutablePointer<Atomic<UInt64>>
  private static let count = StatisticsSnapshot.count

  /// Cells that live until `deallocate`; the gateway owns them, so that they outlast the worker.
  init() {
    unsafe cells = .allocate(capacity: Self.count)
    for index in 0..<Self.count { unsafe (cells + index).initialize(to: Atomic(0)) }
  }

  func deallocate() {
    unsafe cells.deinitialize(count: Self.count)
    unsafe cells.deallocate()
  }

  @inline(__always)
  func add(_ counter: Counter, _ amount: Int = 1) { bump(counter.rawValue, amount) }

  @inline(__always)
  func drop(_ reason: DropReason, _ amount: Int = 1) {
    bump(Counter.allCases.count + reason.rawValue, amount)
  }

  /// Adds a value to its bucket and to the sum.
  @inline(__always)
  func record(_ distribution: Distribution, _ value: UInt64) {
    let first = StatisticsSnapshot.place(of: distribution)
    bump(first &+ Distribution.bucket(of: value), 1)
    bump(first &+ Distribution.bucketCount, Int(truncatingIfNeeded: value))
  }

  /// Writer: where a counter stands.
  @inline(__always)
  subscript(counter: Counter) -> UInt64 { unsafe cells[counter.rawValue].load(ordering: .relaxed) }

  // Safety: raw values are dense and below `count`.
  @inline(__always)
  private func bump(_ index: Int, _ amount: Int) {
    let cell = unsafe cells + index
    let value = unsafe cell.pointee.load(ordering: .relaxed)
    unsafe cell.pointee.store(value &+ UInt64(truncatingIfNeeded: amount), ordering: .relaxed)
  }

  func snapshot() -> StatisticsSnapshot {
    var result = StatisticsSnapshot()
    for index in result.values.indices {
      result.values[index] = unsafe cells[index].load(ordering: .relaxed)
    }
    return result
  }
}

/// Counters as they stood at one moment; they add up over workers.
package struct StatisticsSnapshot: Sendable, Equatable {
  fileprivate(set) var values = [UInt64](repeating: 0, count: Self.count)

  /// Counters, drops, and then the distributions: buckets and sum of each.
  fileprivate static let count =
    Counter.allCases.count + DropReason.allCases.count
    + Distribution.allCases.count * (Distribution.bucketCount + 1)

  @inline(__always)
  fileprivate static func place(of distribution: Distribution) -> Int {
    Counter.allCases.count &+ DropReason.allCases.count
      &+ distribution.rawValue &* (Distribution.bucketCount &+ 1)
  }

  package init() {}

  package subscript(counter: Counter) -> UInt64 { values[counter.rawValue] }
  package subscript(reason: DropReason) -> UInt64 { values[Counter.allCases.count + reason.rawValue] }

  package subscript(distribution: Distribution) -> DistributionSnapshot {
    let first = Self.place(of: distribution)
    return DistributionSnapshot(
      buckets: Array(values[first..<first + Distribution.bucketCount]),
      sum: values[first + Distribution.bucketCount])
  }

  package static func + (a: Self, b: Self) -> Self {
    var sum = a
    for index in sum.values.indices { sum.values[index] &+= b.values[index] }
    return sum
  }
}
