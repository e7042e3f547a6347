internal import Control

/// What each tunnel of a file takes for itself, and no other may have.
struct TunnelClaims {
  private var owners: [Claim: String] = [:]
  private var metrics: [(address: MetricsAddress, owner: String)] = []
  private var services: [(port: ListenPort, owner: String)] = []
  private var entrances: [(local: HostPort, owner: String)] = []

  fileprivate struct Claim: Hashable {
    let key: String
    let value: String

    // Whose address it is on the device does not matter: the host can have each once.
    private var kind: String { key.hasPrefix("tun-local") || key.hasPrefix("tun-peer") ? "address" : key }

    static func == (first: Claim, second: Claim) -> Bool {
      first.kind == second.kind && first.value == second.value
    }

    func hash(into hasher: inout Hasher) {
      hasher.combine(kind)
      hasher.combine(value)
    }
  }

  struct Clash {
    let key: String
    let text: String

    fileprivate init(_ claim: Claim, _ owner: String, _ title: String) {
      key = claim.key
      text = "'\(claim.key)' \(claim.value) is taken by \(owner): \(title) needs another"
    }
  }

  /// Adds those of the tunnel, which is called `title`; gives those that another has already.
  mutating func add(_ configuration: GatewayConfiguration, _ title: String) -> [Clash] {
    var clashes = Self.claims(configuration).compactMap { claim in
      guard let owner = owners[claim] else {
        owners[claim] = title
        return nil as Clash?
      }
      return Clash(claim, owner, title)
    }
    if let address = configuration.metrics {
      if let other = metrics.first(where: { $0.address.overlaps(address) }) {
        clashes.append(Clash(Claim(key: "metrics", value: "\(address)"), other.owner, title))
      }
      metrics.append((address, title))
    }
    if let port = configuration.listenPort {
      if let other = services.first(where: { $0.port.overlaps(port) }) {
        let value = port.address == nil ? "TCP port \(port)" : "TCP \(port)"
        clashes.append(Clash(Claim(key: "local", value: value), other.owner, title))
      }
      services.append((port, title))
    }
    if case .udp(let local) = configuration.listen {
      if let other = entrances.first(where: { $0.local.overlaps(local) }) {
        clashes.append(Clash(Claim(key: "local", value: "UDP \(local)"), other.owner, title))
      }
      entrances.append((local, title))
    }
    return clashes
  }

  private static func claims(_ configuration: GatewayConfiguration) -> [Claim] {
    var claims: [Claim] = []
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
