/// Each way in which a packet or datagram ends early. The network's errors are counted here, never trapped.
package enum DropReason: Int, Error, CaseIterable, Sendable {
  // Packets from TUN.
  case shortPacket
  case unsupportedPacket
  case fragment
  case badHeaderLength
  case badChecksum
  case foreignAddress
  case foreignPort
  case unknownFlow
  case resetNotCredible
  /// Neither near where the other end is nor an acknowledgement of what we sent lately.
  case outsideWindow
  /// An ICMP message that says nothing of a path's MTU, or nothing new.
  case icmpIgnored
  /// An ICMP error that quotes no segment of ours, or claims an MTU that no path has.
  case icmpNotCredible
  case badFlags
  /// The source address has as many flows as one may.
  case sourceFlowsFull
  /// More new flows in a second than may be.
  case newFlowRate
  case socketUnavailable
  // Datagrams from UDP.
  case emptyDatagram
  case truncatedDatagram
  case datagramTooLarge
  case handshakeQueueFull
  case handshakeFailed
  case portSpaceFull
  // Either way.
  case flowTableFull
  case handoffFull
  case tunWriteFailed
  case udpSendFailed
  case udpSendBufferFull
  case staleCompletion

  /// What operators read in tables and metrics.
  package var name: String {
    switch self {
    case .shortPacket: "short-packet"
    case .unsupportedPacket: "unsupported-packet"
    case .fragment: "fragment"
    case .badHeaderLength: "bad-header-length"
    case .badChecksum: "bad-checksum"
    case .foreignAddress: "foreign-address"
    case .foreignPort: "foreign-port"
    case .unknownFlow: "unknown-flow"
    case .resetNotCredible: "reset-not-credible"
    case .outsideWindow: "outside-window"
    case .icmpIgnored: "icmp-ignored"
    case .icmpNotCredible: "icmp-not-credible"
    case .badFlags: "bad-flags"
    case .flowTableFull: "flow-table-full"
    case .sourceFlowsFull: "source-flows-full"
    case .newFlowRate: "new-flow-rate"
    case .socketUnavailable: "socket-unavailable"
    case .emptyDatagram: "empty-datagram"
    case .truncatedDatagram: "truncated-datagram"
    case .datagramTooLarge: "datagram-too-large"
    case .handshakeQueueFull: "handshake-queue-full"
    case .handshakeFailed: "handshake-failed"
    case .portSpaceFull: "port-space-full"
    case .handoffFull: "handoff-full"
    case .tunWriteFailed: "tun-write-failed"
    case .udpSendFailed: "udp-send-failed"
    case .udpSendBufferFull: "udp-send-buffer-full"
    case .staleCompletion: "stale-completion"
    }
  }
}
