/// What a worker counts by size: how many were at most 1, 2, 4, 8 … of their unit.
package enum Distribution: Int, CaseIterable, Sendable {
  /// What a turn took in: receives of datagrams and reads of packets.
  case batchSize
  /// Client: microseconds from a SYN to its answer.
  case handshakeRoundTrip
  /// Client: microseconds from a keepalive to its answer.
  case probeRoundTrip

  /// The last but one reaches 4 s in microseconds; the last has no bound.
  package static let bucketCount = 24

  /// The largest value of a bucket.
  package static func bound(of bucket: Int) -> UInt64? {
    bucket < bucketCount - 1 ? 1 << UInt64(bucket) : nil
  }

  @inline(__always)
  static func bucket(of value: UInt64) -> Int {
    guard value > 1 else { return 0 }
    return min(bucketCount &- 1, 64 &- (value &- 1).leadingZeroBitCount)
  }
}

/// A distribution as it stood at one moment.
package struct DistributionSnapshot: Sendable, Equatable {
  /// How many values were in each bucket alone.
  package let buckets: [UInt64]
  package let sum: UInt64

  package var count: UInt64 { buckets.reduce(0, +) }
  package var mean: Double? { count > 0 ? Double(sum) / Double(count) : nil }
}
