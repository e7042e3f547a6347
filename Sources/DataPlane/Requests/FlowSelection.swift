/// Which flows somebody means: those that fit everything that is given.
package struct FlowSelection: Sendable, Equatable, BitwiseCopyable {
  /// Our TCP port.
  package var localPort: UInt16?
  /// The other end of the TCP flow.
  package var remote: Address?
  package var remotePort: UInt16?
  /// The UDP side, as `FlowSummary.peer`.
  package var peer: Address?
  package var peerPort: UInt16?
  /// No datagram for so long.
  package var silentNanoseconds: UInt64?

  package init() {}

  func contains(_ flow: Flow, peer side: Endpoint, now: UInt64) -> Bool {
    guard flow.state != .free else { return false }
    if let localPort, flow.key.localPort != localPort { return false }
    if let remote, flow.key.remote != remote { return false }
    if let remotePort, flow.key.remotePort != remotePort { return false }
    if let peer, side.address != peer { return false }
    if let peerPort, side.port != peerPort { return false }
    if let silentNanoseconds, now &- flow.lastActivity < silentNanoseconds { return false }
    return true
  }
}
