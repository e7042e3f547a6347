@testable import DataPlane

extension StatisticsSnapshot {
  /// Drops of datagrams on their way from UDP to TUN.
  func uplinkDrops(of role: Role) -> UInt64 {
    var reasons: [DropReason] = [
      .emptyDatagram, .truncatedDatagram, .datagramTooLarge, .handshakeQueueFull, .handshakeFailed,
      .portSpaceFull, .staleCompletion, .tunWriteFailed,
    ]
    // A new flow begins with a datagram at a client, and with a segment at a server.
    if role == .client { reasons.append(.flowTableFull) }
    return reasons.reduce(0) { $0 + self[$1] }
  }

  /// Drops of segments on their way from TUN to UDP.
  func downlinkDrops(of role: Role) -> UInt64 {
    DropReason.allCases.reduce(0) { $0 + self[$1] } - uplinkDrops(of: role)
  }

  /// Whether every datagram that came in became a segment, or was dropped under a name.
  func accountsForDatagrams(of role: Role) -> Bool {
    self[.datagramsIn] == self[.segmentsOut] + uplinkDrops(of: role)
  }

  /// Whether every segment that came in became a datagram, was a control segment, or was dropped under a name.
  func accountsForSegments(of role: Role) -> Bool {
    self[.segmentsIn] == self[.datagramsOut] + self[.controlSegmentsIn] + downlinkDrops(of: role)
  }
}
