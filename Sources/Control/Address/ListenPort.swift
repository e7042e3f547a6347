package import DataPlane

/// Where a server takes TCP, as operators write it: `4567`, `192.0.2.1:4567`, `[2001:db8::1]:4567`.
package struct ListenPort: Hashable, Sendable {
  /// nil for every address of the host.
  package let address: Address?
  package let port: UInt16

  /// Parses `PORT` or `ADDRESS:PORT`; `0.0.0.0` and `[::]` say no more than the port.
  package init(_ text: String) throws(HostPort.Malformed) {
    guard text.contains(":") else {
      address = nil
      port = try HostPort.port(text)
      return
    }
    let both = try HostPort(text)
    guard case .address(let address) = both.host else {
      throw HostPort.Malformed(
        description: "'\(text)' has no address in front of the port: write 192.0.2.1:4567")
    }
    self.address = address.isUnspecified ? nil : address
    port = both.port
  }
}
