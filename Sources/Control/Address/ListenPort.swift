package import DataPlane

/// Where a server takes TCP, as operators write it: `4567`, `192.0.2.1:4567`, `[2001:db8::1]:4567`.
package struct ListenPort: Hashable, Sendable, CustomStringConvertible {
  /// nil for every address of the host.
  package let address: Address?
  package let port: UInt16

  /// Parses `PORT` or `ADDRESS:PORT`; `0.0.0.0` and `[::]` say no more than the port.
  package init(_ text: String) throws(HostPort.Malformed) {
    let (address, port) = try HostPort.listening(text, example: "192.0.2.1")
    self.address = address?.isUnspecified == true ? nil : address
    self.port = port
  }

  package init(_ address: Address?, port: UInt16) {
    self.address = address
    self.port = port
  }

  /// Whether packets may come that are for both.
  package func overlaps(_ other: ListenPort) -> Bool {
    port == other.port && (address == other.address || address == nil || other.address == nil)
  }

  package var description: String { address.map { "\(Endpoint($0, port: port))" } ?? "\(port)" }
}
