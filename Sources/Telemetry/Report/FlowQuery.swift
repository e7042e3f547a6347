package import DataPlane

/// Which flows are meant, as it goes over the socket.
package struct FlowQuery: Codable, Sendable, Equatable {
  package var localPort: UInt16?
  package var remote: String?
  package var remotePort: UInt16?
  package var peer: String?
  package var peerPort: UInt16?
  package var silentSeconds: Double?
  /// The most that a list should have; no more than `limitMax` in any case.
  package var limit: Int?

  package init() {}

  /// Most flows in one list: some 300 bytes each.
  package static let limitMax = 10_000
  /// What `silentSeconds` may be.
  package static let silenceRange = 0...1e9

  /// What workers understand; nil where an address is none.
  package var selection: FlowSelection? {
    var selection = FlowSelection()
    selection.localPort = localPort
    selection.remotePort = remotePort
    selection.peerPort = peerPort
    if let silentSeconds {
      guard Self.silenceRange.contains(silentSeconds) else { return nil }
      selection.silentNanoseconds = UInt64(silentSeconds * 1e9)
    }
    if let remote {
      guard let address = Address(remote) else { return nil }
      selection.remote = address
    }
    if let peer {
      guard let address = Address(peer) else { return nil }
      selection.peer = address
    }
    return selection
  }
}
