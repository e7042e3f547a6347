import Testing

@testable import DataPlane

extension StatisticsSnapshot {
  /// Drops of datagrams on their way from UDP to TUN.
  var uplinkDrops: UInt64 {
    [
      DropReason.emptyDatagram, .truncatedDatagram, .datagramTooLarge, .handshakeQueueFull, .handshakeFailed,
      .portSpaceFull, .staleCompletion, .tunWriteFailed,
    ].reduce(0) { $0 + self[$1] }
  }

  /// Drops of segments on their way from TUN to UDP.
  var downlinkDrops: UInt64 {
    DropReason.allCases.reduce(0) { $0 + self[$1] } - uplinkDrops
  }
}

/// Everything that came in went out or was dropped under a name.
func expectBalance(_ gateway: SimulatedGateway, _ comment: Comment? = nil) {
  let s = gateway.statistics
  #expect(s[.datagramsIn] == s[.segmentsOut] + s.uplinkDrops, comment)
  #expect(s[.segmentsIn] == s[.datagramsOut] + s[.controlSegmentsIn] + s.downlinkDrops, comment)
}
