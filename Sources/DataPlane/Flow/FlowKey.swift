/// A conversation's four values, seen from our side. Names a TCP flow, and a UDP peer of the client.
package struct FlowKey: Hashable, Sendable, BitwiseCopyable {
  var remote: Address
  var local: Address
  var remotePort: UInt16
  var localPort: UInt16

  package init(remote: Address, local: Address, remotePort: UInt16, localPort: UInt16) {
    self.remote = remote
    self.local = local
    self.remotePort = remotePort
    self.localPort = localPort
  }

  /// No conversation.
  static let none = FlowKey(remote: .unspecified, local: .unspecified, remotePort: 0, localPort: 0)

  var isIPv4: Bool { local.isIPv4 }
  var remoteEndpoint: Endpoint { Endpoint(remote, port: remotePort) }
  var localEndpoint: Endpoint { Endpoint(local, port: localPort) }
}
