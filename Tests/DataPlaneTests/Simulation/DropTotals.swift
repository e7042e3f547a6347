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
