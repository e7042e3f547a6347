package import DataPlane

/// Where metrics are served, as operators write it: `9740` at 127.0.0.1, `192.0.2.1:9740`, `0.0.0.0:9740` or
/// `[::]:9740` (both families) at all addresses.
package struct MetricsAddress: Hashable, Sendable, CustomStringConvertible {
  package let endpoint: Endpoint

  private static let loopback = Address("127.0.0.1")!

  package init(_ text: String) throws(HostPort.Malformed) {
    let (address, port) = try HostPort.listening(text, example: "127.0.0.1")
    endpoint = Endpoint(address ?? Self.loopback, port: port)
  }

  /// Whether one of the two alone can be had on a host.
  package func overlaps(_ other: MetricsAddress) -> Bool {
    let (a, b) = (endpoint.address, other.endpoint.address)
    return endpoint.port == other.endpoint.port && (a == b || a.isUnspecified || b.isUnspecified)
  }

  package var description: String { "\(endpoint)" }
}
