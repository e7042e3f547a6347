package import DataPlane

/// The ends of flows that an operator means: an address with any port, one end, or a port at any address. Written
/// `192.0.2.1`, `192.0.2.1:4567`, `[2001:db8::1]:4567`, `2001:db8::1`, `:4567`.
package struct EndpointPattern: Equatable, Sendable {
  package let address: Address?
  package let port: UInt16?

  package init(_ text: String) throws(HostPort.Malformed) {
    if let address = Address(text) {
      self.address = address
      port = nil
    } else if text.hasPrefix(":") {
      address = nil
      port = try HostPort.port(String(text.dropFirst()))
    } else {
      guard let both = try? HostPort(text), case .address(let address) = both.host else {
        throw HostPort.Malformed(
          description:
            "'\(text)' is neither an address, nor one with a port: write 192.0.2.1, 192.0.2.1:4567, "
            + "[2001:db8::1]:4567, or :4567 for any address")
      }
      self.address = address
      port = both.port
    }
  }
}
