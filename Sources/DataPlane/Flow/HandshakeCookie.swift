/// The server's initial sequence number: a keyed cookie, so that a SYN costs no memory (RFC 4987 §3.6) and
/// nobody off the path can guess it (RFC 6528).
///
/// It covers the 4-tuple and a coarse clock. The client's ISN is left out: a lost third packet may then be
/// made good by any later data segment, whose sequence number has moved on.
struct HandshakeCookie: Sendable {
  private let hash: SipHash

  /// All workers of a gateway share the key, so that any of them can answer.
  init(key: (UInt64, UInt64)) { hash = SipHash(key: key) }

  /// The ISN for a SYN|ACK sent now.
  func sequence(for key: FlowKey, now: UInt64) -> SequenceNumber {
    sequence(for: key, epoch: Self.epoch(now))
  }

  /// Whether `acknowledgement` returns a cookie of this or the previous epoch (69...137 s).
  func accepts(_ acknowledgement: SequenceNumber, for key: FlowKey, now: UInt64) -> Bool {
    let epoch = Self.epoch(now)
    return acknowledgement == sequence(for: key, epoch: epoch) + 1
      || acknowledgement == sequence(for: key, epoch: epoch &- 1) + 1
  }

  private func sequence(for key: FlowKey, epoch: UInt64) -> SequenceNumber {
    let ports = UInt64(key.remotePort) << 16 | UInt64(key.localPort)
    let value = hash.hash(
      key.remote.high, key.remote.low, key.local.high, key.local.low, ports | epoch << 32)
    return SequenceNumber(UInt32(truncatingIfNeeded: value))
  }

  /// 2^36 ns: 69 s.
  private static func epoch(_ now: UInt64) -> UInt64 { now >> 36 }
}
