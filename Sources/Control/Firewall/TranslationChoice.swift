internal import DataPlane

/// Decides how addresses are translated: by connection tracking, or past it where one address, known beforehand,
/// stands for our TCP end (docs/decisions/0018-translation.md, 0085-translation-at-tc.md).
struct TranslationChoice {
  let mode: GatewayConfiguration.FirewallMode
  let listen: GatewayConfiguration.Listen
  /// A client's servers, or a server's service.
  var remotes: [Endpoint]
  /// Other instances in this network namespace, as this one starts.
  let neighbours: [InstanceRecord]
  /// A client's flows that were there before, under ports that connection tracking gave them.
  let resumesTracked: Bool
  /// `--max-flows`.
  let flowCountMax: Int?

  /// What stands in the way of a kind of translation.
  struct Obstacle: Error {
    let reason: String

    init(_ reason: String) { self.reason = reason }
  }

  /// `device` is our own TUN device. `bypass` gets programs ready at tc and names their device, or throws why there can
  /// be none. Throws where what was asked for cannot be; why `auto` tracks, it tells to `explain`.
  func translation(
    _ family: AddressFamily, device: String, bypass: (Outlet) throws(Obstacle) -> Outlet,
    explain: (String) -> Void
  ) throws(SetupError) -> Translation {
    guard mode != .tracked else { return tracked }
    do throws(Obstacle) {
      if mode == .auto { try checkClient() }
      guard let outlet = try outlet(family, device: device) else { return .unreachable }
      guard mode != .stateless else { return .stateless(outlet) }
      if let client = clientBesideServer(neighbours) { throw Obstacle("\(client) on this host goes to it") }
      return .atTC(try bypass(outlet))
    } catch {
      guard mode == .auto else { throw .translationImpossible(mode, family, reason: error.reason) }
      explain(error.reason)
      return tracked
    }
  }

  /// Whether a client may leave the ports that connection tracking has.
  private func checkClient() throws(Obstacle) {
    guard case .udp = listen else { return }
    if resumesTracked { throw Obstacle("the flows that it goes on with were tracked until now") }
    if let flowCountMax, flowCountMax > Translation.statelessPorts.count {
      throw Obstacle("'--max-flows \(flowCountMax)' takes ports that are not there without")
    }
  }

  private var tracked: Translation {
    let isConfined = rivals.contains { $0.isStateless == true }
    return .tracked(ports: isConfined ? Translation.furtherPorts : nil)
  }

  /// Where packets leave and enter the host without any state; nil at a server that nobody can reach in this family.
  private func outlet(_ family: AddressFamily, device: String) throws(Obstacle) -> Outlet? {
    switch listen {
    case .udp:
      if let rival = rivals.first {
        let common = remotes.first { rival.remotes?.contains("\($0)") == true } ?? remotes[0]
        throw Obstacle("\(rival.device) on this host goes to \(common) already")
      }
      var sources: [Address] = []
      for remote in remotes where remote.address.family == family {
        guard let address = LocalAddresses.source(to: remote.address), address != remote.address else {
          throw Obstacle("there is no way to \(remote.address) that leaves this host")
        }
        if !sources.contains(address) { sources.append(address) }
      }
      guard sources.count == 1 else {
        let list = sources.map { "\($0)" }.joined(separator: ", ")
        throw Obstacle("the ways to the servers have several addresses (\(list))")
      }
      return Outlet(device: nil, address: sources[0])
    case .tcp:
      let outlets = outlets(family, besides: neighbours.map(\.device) + [device])
      guard outlets.count <= 1 else {
        let list = outlets.map { "\($0.address)" }.joined(separator: ", ")
        throw Obstacle(
          "answers could leave from several addresses (\(list)): '--local ADDRESS:PORT' picks one")
      }
      return outlets.first
    }
  }

  /// What takes the place of a translation now that the host's addresses are others; nil to change nothing, as while
  /// a link is down, or where several addresses took its place. `neighbours` are those of now.
  func successor(
    of translation: Translation, _ family: AddressFamily, device: String,
    neighbours: () -> [InstanceRecord]
  ) -> Translation? {
    if case .tracked = translation { return nil }
    let current = translation.outlet?.address
    switch listen {
    case .udp:
      guard let remote = remotes.first(where: { $0.address.family == family }),
        let address = LocalAddresses.source(to: remote.address), address != current
      else { return nil }
      return .stateless(Outlet(device: nil, address: address))
    case .tcp:
      // Who chose by what there was chooses again when there is more.
      if mode != .auto, let current, LocalAddresses.has(current) { return nil }
      let found = outlets(family, besides: neighbours().map(\.device) + [device])
      guard found.count == 1 else { return found.isEmpty || mode != .auto ? nil : .tracked(ports: nil) }
      return found[0].address == current ? nil : .stateless(found[0])
    }
  }

  /// The device of a client on this server's own host, whose packets pass no device that programs are attached to.
  func clientBesideServer(_ neighbours: [InstanceRecord]) -> String? {
    guard case .tcp(_, let port) = listen else { return nil }
    return neighbours.first { neighbour in
      (neighbour.remotes ?? []).contains { remote in
        guard let endpoint = try? HostPort(remote), endpoint.port == port,
          case .address(let address) = endpoint.host
        else { return false }
        return LocalAddresses.has(address)
      }
    }?.device
  }

  /// Other clients of one of the same servers.
  private var rivals: [InstanceRecord] {
    let own = Set(remotes.map { "\($0)" })
    return neighbours.filter { !own.isDisjoint(with: $0.remotes ?? []) }
  }

  /// The addresses that a server answers by.
  private func outlets(_ family: AddressFamily, besides tunDevices: [String]) -> [Outlet] {
    let outlets = LocalAddresses.reachable(family, except: Set(tunDevices))
    guard case .tcp(let address?, _) = listen else { return outlets }
    return outlets.filter { $0.address == address }
  }
}
