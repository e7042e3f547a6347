internal import DataPlane

/// Decides how addresses are translated: by connection tracking, or past it where that is asked for and one
/// address, known beforehand, stands for our TCP end (docs/decisions/0018-translation.md).
struct TranslationChoice {
  let mode: GatewayConfiguration.FirewallMode
  let listen: GatewayConfiguration.Listen
  /// A client's servers, or a server's service.
  var remotes: [Endpoint]
  /// Other instances in this network namespace, as this one starts.
  let neighbours: [InstanceRecord]

  /// `device` is our own TUN device. Throws where `--firewall stateless` asks for what cannot be.
  func translation(_ family: AddressFamily, device: String) throws(SetupError) -> Translation {
    guard mode == .stateless else {
      let isConfined = rivals.contains { $0.isStateless == true }
      return .tracked(ports: isConfined ? Translation.furtherPorts : nil)
    }
    switch listen {
    case .udp:
      if let rival = rivals.first {
        let common = remotes.first { rival.remotes?.contains("\($0)") == true } ?? remotes[0]
        throw .statelessImpossible(family, reason: "\(rival.device) on this host goes to \(common) already")
      }
      var sources: [Address] = []
      for remote in remotes where remote.address.family == family {
        guard let address = LocalAddresses.source(to: remote.address), address != remote.address else {
          throw .statelessImpossible(
            family, reason: "there is no way to \(remote.address) that leaves this host")
        }
        if !sources.contains(address) { sources.append(address) }
      }
      guard sources.count == 1 else {
        let list = sources.map { "\($0)" }.joined(separator: ", ")
        throw .statelessImpossible(family, reason: "the ways to the servers have several addresses (\(list))")
      }
      return .stateless(Outlet(device: nil, address: sources[0]))
    case .tcp(let address, _):
      let outlets = Self.outlets(family, besides: neighbours.map(\.device) + [device])
        .filter { address == nil || $0.address == address }
      guard outlets.count <= 1 else {
        let list = outlets.map { "\($0.address)" }.joined(separator: ", ")
        throw .statelessImpossible(
          family,
          reason: "answers could leave from several addresses (\(list)): '--local ADDRESS:PORT' picks one")
      }
      // Without an address nobody comes from outside in this family; the host's own programs may.
      return outlets.first.map { .stateless($0) } ?? .tracked(ports: nil)
    }
  }

  /// Where packets leave once the host no longer has `outlet`'s address; nil to change nothing, as while a link
  /// is down, or where several addresses took its place. `neighbours` are those of now.
  func successor(
    of outlet: Outlet, device: String, neighbours: () -> [InstanceRecord]
  ) -> Outlet? {
    switch listen {
    case .udp:
      guard let remote = remotes.first(where: { $0.address.family == outlet.address.family }),
        let address = LocalAddresses.source(to: remote.address), address != outlet.address
      else { return nil }
      return Outlet(device: nil, address: address)
    case .tcp:
      guard !LocalAddresses.has(outlet.address) else { return nil }
      let found = Self.outlets(outlet.address.family, besides: neighbours().map(\.device) + [device])
      return found.count == 1 ? found[0] : nil
    }
  }

  /// Other clients of one of the same servers.
  private var rivals: [InstanceRecord] {
    let own = Set(remotes.map { "\($0)" })
    return neighbours.filter { !own.isDisjoint(with: $0.remotes ?? []) }
  }

  private static func outlets(_ family: AddressFamily, besides tunDevices: [String]) -> [Outlet] {
    LocalAddresses.reachable(family, except: Set(tunDevices))
  }
}
