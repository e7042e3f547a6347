internal import DataPlane

/// Decides how addresses are translated: past connection tracking where one address, known beforehand, stands
/// for our TCP end, and nobody else on the host wants the same packets.
struct TranslationChoice {
  let mode: GatewayConfiguration.FirewallMode
  let listen: GatewayConfiguration.Listen
  let remote: Endpoint
  /// Other instances in this network namespace; nil where they cannot be known.
  let neighbours: [InstanceRecord]?
  /// Forward chains of others that drop what no rule of theirs accepts.
  let droppingChains: [String]

  /// Why a family is tracked, in words that end a sentence.
  typealias Obstacle = String

  /// `device` is our own TUN device. Throws where `--firewall stateless` asks for what cannot be.
  func translation(
    _ family: AddressFamily, device: String
  ) throws(SetupError) -> (Translation, Obstacle?) {
    guard mode != .tracked else { return (.tracked(ports: nil), nil) }
    if let obstacle = general() { return try tracked(family, obstacle) }
    switch listen {
    case .udp:
      guard let address = LocalAddresses.source(to: remote.address), address != remote.address else {
        return try tracked(family, "there is no way to \(remote.address) that leaves this host")
      }
      return (.stateless(Outlet(device: nil, address: address)), nil)
    case .tcp(let address, _):
      let outlets = outlets(family, device: device).filter { address == nil || $0.address == address }
      if outlets.count == 1 { return (.stateless(outlets[0]), nil) }
      // Nobody comes from outside in this family: there is nothing to be gained.
      if outlets.isEmpty { return (.tracked(ports: nil), "there is no \(family) address that others reach") }
      let list = outlets.map { "\($0.address)" }.joined(separator: ", ")
      return try tracked(
        family, "answers could leave from several addresses (\(list)): '--local ADDRESS:PORT' picks one")
    }
  }

  /// What the translation becomes when the host's addresses have changed; nil to leave it.
  func successor(of outlet: Outlet, _ family: AddressFamily, device: String) -> Translation? {
    guard let next = try? translation(family, device: device).0, next != .stateless(outlet) else {
      return nil
    }
    switch (next, listen) {
    // A link that is down for a moment, or a route that is missing, is no reason to change anything.
    case (.tracked, .udp): return nil
    case (.tracked, .tcp): return outlets(family, device: device).isEmpty ? nil : next
    case (.stateless, _): return next
    }
  }

  private func general() -> Obstacle? {
    guard let neighbours else { return "other instances on this host cannot be known" }
    if case .udp = listen, let other = neighbours.first(where: { $0.remote == "\(remote)" }) {
      return "\(other.device) on this host goes to \(remote) already"
    }
    if let chain = droppingChains.first {
      return "the chain '\(chain)' drops by policy, and may accept by the state of connections"
    }
    return nil
  }

  private func tracked(
    _ family: AddressFamily, _ obstacle: Obstacle
  ) throws(SetupError) -> (Translation, Obstacle?) {
    guard mode != .stateless else { throw .statelessImpossible(family, reason: obstacle) }
    let isFurther = neighbours?.contains { $0.remote == "\(remote)" } ?? false
    return (.tracked(ports: isFurther ? Translation.furtherPorts : nil), obstacle)
  }

  private func outlets(_ family: AddressFamily, device: String) -> [Outlet] {
    let tunDevices = (neighbours ?? []).map(\.device) + [device]
    return LocalAddresses.reachable(family, except: Set(tunDevices))
  }
}
