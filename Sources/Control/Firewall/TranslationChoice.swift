internal import DataPlane
internal import Glibc

/// Decides how addresses are translated: by connection tracking, or past it where one address, known beforehand,
/// stands for our TCP end (docs/decisions/0018-translation.md, 0085-translation-at-tc.md).
struct TranslationChoice {
  let mode: GatewayConfiguration.FirewallMode
  let listen: GatewayConfiguration.Listen
  /// A client's servers, or a server's service.
  var remotes: [Endpoint]
  /// Our own TUN device.
  let device: String
  /// Where other instances in this network namespace are on record.
  let state: StateDirectory?
  /// A client's flows that were there before, under ports that connection tracking gave them.
  let resumesTracked: Bool
  /// Whether a running process that this one takes over from has its servers' answers to itself: clients that have come
  /// since keep to other ports.
  let keepsPorts: Bool
  /// `--max-flows`.
  let flowCountMax: Int?
  /// `--fwmark`.
  let mark: UInt32?

  /// What stands in the way of a kind of translation.
  struct Obstacle: Error {
    let reason: String

    init(_ reason: String) { self.reason = reason }
  }

  /// `prepare` gets programs ready at tc for these ways, or throws why there can be none. Throws where what was asked
  /// for cannot be; why `auto` tracks, it tells to `explain`.
  func translation(
    _ family: AddressFamily, prepare: (Outlet, [Outlet]) throws(Obstacle) -> Void,
    explain: (String) -> Void
  ) throws(SetupError) -> Translation {
    guard mode != .tracked else { return tracked }
    do throws(Obstacle) {
      if case .udp = listen { try checkClient() }
      if mode == .stateless {
        guard let outlet = try outlet(family) else { return .unreachable }
        return .stateless(outlet)
      }
      guard let (outlet, others) = try outlets(family, preferring: nil) else {
        return .unreachable
      }
      try prepare(outlet, others)
      return .atTC(outlet, others: others)
    } catch {
      guard mode == .auto else { throw .translationImpossible(mode, family, reason: error.reason) }
      explain(error.reason)
      return tracked
    }
  }

  /// Whether a client may have the ports of its servers' answers to itself.
  private func checkClient() throws(Obstacle) {
    if !keepsPorts, let rival = rivals.first {
      let common = remotes.first { rival.remotes?.contains("\($0)") == true } ?? remotes[0]
      throw Obstacle("\(rival.device) on this host goes to \(common) already")
    }
    guard mode == .auto else { return }
    if resumesTracked { throw Obstacle("the flows that it goes on with were tracked until now") }
    if let flowCountMax, flowCountMax > Translation.statelessPorts.count {
      throw Obstacle("'--max-flows \(flowCountMax)' takes ports that are not there past connection tracking")
    }
  }

  /// Connection tracking, beside other clients of the same servers.
  var tracked: Translation {
    let isConfined = rivals.contains { $0.isStateless == true }
    return .tracked(ports: isConfined ? Translation.furtherPorts : nil)
  }

  /// Where packets leave and enter the host without any state; nil at a server that nobody can reach in this family.
  private func outlet(_ family: AddressFamily) throws(Obstacle) -> Outlet? {
    switch listen {
    case .udp:
      var sources: [Address] = []
      for remote in remotes where remote.address.family == family {
        guard let address = source(to: remote), address != remote.address else {
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
      let outlets = addresses(family).map(\.outlet)
      guard outlets.count <= 1 else {
        let list = outlets.map { "\($0.address)" }.joined(separator: ", ")
        throw Obstacle(
          "answers could leave from several addresses (\(list)): '--local ADDRESS:PORT' picks one")
      }
      return outlets.first
    }
  }

  /// Where packets leave and enter the host at tc: by the device that most packets take, or by `preferred`, and at a
  /// server by others as well, if each has one address; nil at a server that nobody can reach in this family.
  private func outlets(
    _ family: AddressFamily, preferring preferred: String?
  ) throws(Obstacle) -> (Outlet, others: [Outlet])? {
    guard case .tcp = listen else {
      guard let outlet = try outlet(family) else { return nil }
      var ways: [String] = []
      for remote in remotes where remote.address.family == family {
        let devices = HostNetwork.egressDevices(to: remote.address, mark: mark)
        guard !devices.isEmpty else { throw Obstacle("the way to \(remote.address) is not known") }
        ways += devices.filter { !ways.contains($0) }
      }
      guard ways.count == 1 else {
        throw Obstacle("the ways to the servers lead by several devices (\(ways.joined(separator: ", ")))")
      }
      guard Bypass.hasLinkHeader(ways[0]) else { throw Obstacle("\(ways[0]) has no link-layer header") }
      return (Outlet(device: ways[0], address: outlet.address), [])
    }
    let addresses = addresses(family)
    for (index, one) in addresses.enumerated() {
      guard let other = addresses[..<index].first(where: one.sharesNetwork) else { continue }
      let devices = [other, one].compactMap(\.outlet.device).joined(separator: " and ")
      throw Obstacle("\(devices) are on one network, so that an answer may leave by the other")
    }
    let found = addresses.map(\.outlet)
    for outlet in found {
      if let device = outlet.device, Bypass.isEnteredByOthers(device) {
        throw Obstacle("\(outlet.address) is an address of \(device), which packets come to by any device")
      }
      let beside = found.filter { $0.device == outlet.device }
      guard beside.count == 1 else {
        let list = beside.map { "\($0.address)" }.joined(separator: ", ")
        throw Obstacle(
          "answers could leave from several addresses (\(list)): '--local ADDRESS:PORT' picks one")
      }
    }
    guard !found.isEmpty else { return nil }
    let candidates = found.filter { $0.device.map(Bypass.hasLinkHeader) == true }
    // One that is preferred and has no address now will have one again.
    if let preferred, !candidates.contains(where: { $0.device == preferred }),
      unsafe if_nametoindex(preferred) != 0
    {
      return nil
    }
    guard !candidates.isEmpty else {
      throw Obstacle("\(found[0].device ?? "the device") has no link-layer header")
    }
    let routes = preferred.map { [[$0]] } ?? HostNetwork.defaultRoutes(family)
    guard routes.allSatisfy({ $0.count <= 1 }) else {
      throw Obstacle("the default route leads by several devices")
    }
    let main =
      routes.joined().lazy.compactMap { wish in candidates.first { $0.device == wish } }.first
      ?? candidates[0]
    let others = found.filter { $0 != main } + clientsBesideServer(family)
    guard others.count <= TranslatorMemory.othersMax else {
      throw Obstacle("\(others.count + 1) devices have addresses, more than there is room for")
    }
    return (main, others)
  }

  /// What takes the place of a translation now that the host's addresses are others, or, if `isAstray`, its routes; nil to
  /// change nothing, as while a link is down. `mayBypass`: whether programs are ready at tc.
  func successor(
    of translation: Translation, _ family: AddressFamily, mayBypass: Bool, isAstray: Bool
  ) -> Translation? {
    if case .tracked = translation { return nil }
    let current = translation.outlet
    switch listen {
    // Another address is preferred by now, as happens with temporary ones (RFC 8981): the flows keep theirs.
    case .udp where mayBypass && !isAstray && family == .ipv6 && current.map(LocalAddresses.has) == true:
      return nil
    case .udp:
      guard let remote = remotes.first(where: { $0.address.family == family }),
        let address = source(to: remote), address != current?.address || isAstray
      else { return nil }
      guard mayBypass else { return .stateless(Outlet(device: nil, address: address)) }
      return bypass(family, from: current)
    case .tcp where mayBypass:
      let next = bypass(family, from: current)
      // Answers leave by another device, and not to where the ways lead that programs know: connection tracking knows
      // which address each flow came to.
      return isAstray && mode == .auto && next == translation ? .tracked(ports: nil) : next
    case .tcp:
      if let current, LocalAddresses.has(current.address) { return nil }
      let found = addresses(family).map(\.outlet)
      if mode == .auto, !found.isEmpty { return .tracked(ports: nil) }
      return found.count == 1 ? .stateless(found[0]) : nil
    }
  }

  /// At tc by what ways there are now. Where there are none such, `auto` tracks, and nobody else changes anything.
  private func bypass(_ family: AddressFamily, from current: Outlet?) -> Translation? {
    do throws(Obstacle) {
      guard let (outlet, others) = try outlets(family, preferring: current?.device) else { return nil }
      return .atTC(outlet, others: others)
    } catch {
      return mode == .auto ? .tracked(ports: nil) : nil
    }
  }

  /// The address that packets to a server leave with now; nil where there is no way, or none but one of guise's own.
  private func source(to remote: Endpoint) -> Address? {
    guard let address = LocalAddresses.source(to: remote.address, mark: mark) else { return nil }
    let own = ownDevices
    let holders = LocalAddresses.all(address.family, except: []).filter { $0.outlet.address == address }
    return holders.contains { own.contains($0.outlet.device ?? "") } ? nil : address
  }

  /// Clients on this server's own host: their packets enter it by their own TUN devices, to the address that they know
  /// the server by.
  private func clientsBesideServer(_ family: AddressFamily) -> [Outlet] {
    guard case .tcp(_, let port) = listen else { return [] }
    return neighbours.compactMap { neighbour in
      let addresses = (neighbour.remotes ?? []).compactMap { remote -> Address? in
        guard let endpoint = try? HostPort(remote), endpoint.port == port,
          case .address(let address) = endpoint.host, address.family == family
        else { return nil }
        return address
      }
      guard unsafe if_nametoindex(neighbour.device) != 0 else { return nil }
      return addresses.first(where: LocalAddresses.has).map { Outlet(device: neighbour.device, address: $0) }
    }
  }

  /// Other clients of one of the same servers.
  var rivals: [InstanceRecord] {
    let own = Set(remotes.map { "\($0)" })
    return neighbours.filter { !own.isDisjoint(with: $0.remotes ?? []) }
  }

  /// Other instances that run in this network namespace.
  private var neighbours: [InstanceRecord] { state?.liveInstances(besides: device) ?? [] }

  /// The addresses that a server answers by; none of a TUN device of guise's, dead or alive.
  private func addresses(_ family: AddressFamily) -> [LocalAddress] {
    guard case .tcp(let address?, _) = listen else {
      return LocalAddresses.reachable(family, except: ownDevices)
    }
    return LocalAddresses.all(family, except: ownDevices).filter { $0.outlet.address == address }
  }

  /// TUN devices of guise's, dead or alive.
  private var ownDevices: Set<String> { Set((state?.devices ?? []) + [device]) }
}
