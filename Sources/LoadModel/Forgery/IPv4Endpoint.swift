/// An IPv4 address and a port, in host order: what a forged header is filled with.
package struct IPv4Endpoint: Equatable, Sendable {
  package var address: UInt32
  package var port: UInt16

  package init(address: UInt32, port: UInt16) {
    self.address = address
    self.port = port
  }

  /// Nil for IPv6.
  package init?(_ socketAddress: SocketAddress) {
    guard let address = socketAddress.ipv4 else { return nil }
    self.init(address: address, port: socketAddress.port)
  }
}
