internal import Control

/// What each tunnel of a file takes for itself, and no other may have.
struct TunnelClaims {
  private var owners: [Claim: String] = [:]

  private struct Claim: Hashable {
    let key: String
    let value: String
  }

  struct Clash {
    let key: String
    let text: String
  }

  /// Adds those of the tunnel, which is called `title`; gives those that another has already.
  mutating func add(_ configuration: GatewayConfiguration, _ title: String) -> [Clash] {
    Self.claims(configuration).compactMap { claim in
      guard let owner = owners[claim] else {
        owners[claim] = title
        return nil
      }
      return Clash(
        key: claim.key, text: "'\(claim.key)' \(claim.value) is taken by \(owner): \(title) needs another")
    }
  }

  private static func claims(_ configuration: GatewayConfiguration) -> [Claim] {
    var claims: [Claim] = []
    switch configuration.listen {
    case .udp(let local): claims.append(Claim(key: "local", value: "UDP \(local)"))
    case .tcp(nil, let port): claims.append(Claim(key: "local", value: "TCP port \(port)"))
    case .tcp(let address?, let port):
      claims.append(Claim(key: "local", value: "TCP \(address) port \(port)"))
    }
    if let device = configuration.device, !device.contains("%") {
      claims.append(Claim(key: "tun", value: device))
    }
    for (request, suffix) in [(configuration.tunIPv4, ""), (configuration.tunIPv6, "6")] {
      if let local = request.local { claims.append(Claim(key: "tun-local\(suffix)", value: "\(local)")) }
      if let peer = request.peer { claims.append(Claim(key: "tun-peer\(suffix)", value: "\(peer)")) }
    }
    if case .path(let path) = configuration.flowFile { claims.append(Claim(key: "flow-file", value: path)) }
    return claims
  }
}
