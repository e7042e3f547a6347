internal import DataPlane

/// What a flow file says in terms of the host's set-up.
extension FlowFileHeader {
  /// The addresses on the device; nil where the family is not in use.
  func pair(_ family: AddressFamily) -> TunAddressPair? {
    let pair =
      switch family {
      case .ipv4: TunAddressPair(local: local4, peer: peer4)
      case .ipv6: TunAddressPair(local: local6, peer: peer6)
      }
    return pair.peer.isUnspecified ? nil : pair
  }

  mutating func add(_ pair: TunAddressPair) {
    switch pair.peer.family {
    case .ipv4: (local4, peer4) = (pair.local, pair.peer)
    case .ipv6: (local6, peer6) = (pair.local, pair.peer)
    }
  }
}

extension GatewayConfiguration.Listen {
  /// A client's endpoint as it was resolved; a server's port, on any address unless it has one alone.
  func endpoint(_ local: Endpoint?) -> Endpoint {
    switch self {
    case .udp(let target): local ?? Endpoint(.unspecified, port: target.port)
    case .tcp(let address, let port): Endpoint(address ?? .unspecified, port: port)
    }
  }
}
