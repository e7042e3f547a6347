internal import DataPlane
internal import FoundationEssentials

/// The host's addresses, routes and links, by way of ip(8), which prints them as JSON.
enum HostNetwork {
  /// What each family's addresses and routes cover; a default route covers nothing.
  static func takenPrefixes(_ families: Set<AddressFamily>) throws(SetupError) -> [TakenPrefix] {
    var taken: [TakenPrefix] = []
    for family in AddressFamily.allCases where families.contains(family) {
      let addresses = ["-j", option(family), "address", "show"]
      taken += try takenPrefixes(addresses: HostTool.ip.run(addresses), command: addresses)
      let routes = ["-j", option(family), "route", "show", "table", "all"]
      taken += try takenPrefixes(routes: HostTool.ip.run(routes), command: routes)
    }
    return taken
  }

  static func takenPrefixes(addresses: String, command: [String] = []) throws(SetupError) -> [TakenPrefix] {
    try decode([Interface].self, addresses, command).flatMap { interface in
      (interface.addressList ?? []).compactMap { entry -> TakenPrefix? in
        guard let local = entry.local, let address = Address(local) else { return nil }
        let prefix = AddressPrefix(address, length: entry.prefixLength ?? (address.isIPv4 ? 32 : 128))
        return TakenPrefix(prefix: prefix, reason: "\(interface.name ?? "an interface") has \(prefix)")
      }
    }
  }

  static func takenPrefixes(routes: String, command: [String] = []) throws(SetupError) -> [TakenPrefix] {
    try decode([Route].self, routes, command).compactMap { route -> TakenPrefix? in
      // Nothing lies behind an unreachable range. A route to half of all addresses or more is a default
      // route in disguise, as VPNs set it.
      guard !["unreachable", "blackhole", "prohibit", "throw"].contains(route.type ?? ""),
        let destination = route.destination, let prefix = AddressPrefix(destination), prefix.length > 1
      else { return nil }
      return TakenPrefix(prefix: prefix, reason: "\(prefix) is routed to \(route.device ?? "a gateway")")
    }
  }

  /// The largest packet in bytes that the way to `remote` takes, or nil where none is known.
  ///
  /// The way to an address of the host's own is nil as well: loopback's 65 536 says nothing. Nor is it what other traffic
  /// has learned of the path for some minutes (RFC 1191): a flow learns that by itself, and forgets it again.
  ///
  /// `mark`: that of the packets, which rules of routing may go by.
  static func egressMTU(to remote: Address, mark: UInt32? = nil) -> Int? {
    guard let text = try? HostTool.ip.run(route(to: remote, mark, ["fibmatch"])) else { return nil }
    return mtu(ofRoute: text)
  }

  /// The device by which packets to `remote` leave; nil when it is an address of the host's own.
  static func egressDevice(to remote: Address, mark: UInt32? = nil) -> String? {
    (try? HostTool.ip.run(route(to: remote, mark))).flatMap(device(ofRoute:))
  }

  /// The devices by which packets to `remote` may leave: several where its route deals them out (RFC 2992); none where
  /// there is no way, or it is an address of the host's own.
  static func egressDevices(to remote: Address, mark: UInt32? = nil) -> [String] {
    (try? HostTool.ip.run(route(to: remote, mark, ["fibmatch"]))).flatMap(wayOut)?.devices ?? []
  }

  private static func route(to remote: Address, _ mark: UInt32?, _ words: [String] = []) -> [String] {
    ["-j", option(remote.family), "route", "get"] + words + ["\(remote)"]
      + (mark.map { ["mark", "\($0)"] } ?? [])
  }

  /// The device of the first default route, where a server's answers leave.
  static func defaultRouteDevice(_ families: Set<AddressFamily>) -> String? {
    for family in AddressFamily.allCases where families.contains(family) {
      let command = ["-j", option(family), "route", "show", "default"]
      if let text = try? HostTool.ip.run(command), let device = device(ofRoute: text) { return device }
    }
    return nil
  }

  private static func device(ofRoute text: String) -> String? { wayOut(text)?.device }

  /// The first route that ip(8) has printed; nil where it does not leave the host.
  private static func wayOut(_ text: String) -> Route? {
    guard let route = try? decode([Route].self, text, []).first, route.type != "local" else { return nil }
    return route
  }

  /// The MTU of the first default route's link, where a server's answers leave.
  static func defaultRouteMTU(_ families: Set<AddressFamily>) -> Int? {
    for family in AddressFamily.allCases where families.contains(family) {
      let command = ["-j", option(family), "route", "show", "default"]
      if let text = try? HostTool.ip.run(command), let mtu = mtu(ofRoute: text) { return mtu }
    }
    return nil
  }

  /// The largest MTU among the links that routes lead to, for a host that has no default route.
  static func largestRouteMTU(_ families: Set<AddressFamily>) -> Int? {
    var devices: Set<String> = []
    for family in families {
      guard let text = try? HostTool.ip.run(["-j", option(family), "route", "show"]),
        let routes = try? decode([Route].self, text, [])
      else { continue }
      devices.formUnion(routes.compactMap(\.device))
    }
    guard let text = try? HostTool.ip.run(["-j", "link", "show", "up"]),
      let links = try? decode([Interface].self, text, [])
    else { return nil }
    return links.filter { devices.contains($0.name ?? "") }.compactMap(\.mtu).max()
  }

  private static func mtu(ofRoute text: String) -> Int? {
    guard let route = wayOut(text) else { return nil }
    if let metric = route.metrics?.compactMap(\.mtu).first { return metric }
    return route.devices.compactMap { device in
      (try? HostTool.ip.run(["-j", "link", "show", "dev", device]))
        .flatMap { try? decode([Interface].self, $0, []).first?.mtu }
    }.min()
  }

  /// The devices of each default route of a family, the preferred route first: several where it deals its packets out
  /// (RFC 2992).
  static func defaultRoutes(_ family: AddressFamily) -> [[String]] {
    guard let text = try? HostTool.ip.run(["-j", option(family), "route", "show", "default"]) else {
      return []
    }
    return ((try? decode([Route].self, text, [])) ?? []).map(\.devices)
  }

  /// The devices of all of them, each once.
  static func defaultRouteDevices(_ family: AddressFamily) -> [String] {
    defaultRoutes(family).joined().reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
  }

  /// Links of one kind, as ip-link(8) calls it.
  static func links(ofKind kind: String) -> [(name: String, mtu: Int)] {
    guard let text = try? HostTool.ip.run(["-j", "link", "show", "type", kind]),
      let links = try? decode([Interface].self, text, [])
    else { return [] }
    return links.compactMap { link in
      guard let name = link.name, let mtu = link.mtu else { return nil }
      return (name, mtu)
    }
  }

  /// Of a virtual device, what kind it is: "wireguard", "tun", "veth".
  static func kind(ofDevice device: String) -> String? {
    guard let text = try? HostTool.ip.run(["-j", "-d", "link", "show", "dev", device]) else { return nil }
    return (try? decode([Interface].self, text, []))?.first?.information?.kind
  }

  /// Brings a device up and gives it its addresses.
  ///
  /// The kernel shall send nothing into it by itself: without a link-local address there is no router
  /// solicitation, without multicast no group report (a forwarding host joins ff02::2 on every link).
  static func configure(device: String, pairs: [TunAddressPair]) throws(SetupError) {
    try HostTool.ip.run(["link", "set", "dev", device, "multicast", "off"])
    do throws(SetupError) {
      try HostTool.ip.run(["link", "set", "dev", device, "addrgenmode", "none"])
    } catch {
      // A host without IPv6 has no such setting, and no need of it.
      if pairs.contains(where: { !$0.local.isIPv4 }) { throw error }
    }
    // Before the addresses: for an IPv6 address that was there first, going up makes a route to our own end
    // in place of the peer's (fixup_permanent_addr in net/ipv6/addrconf.c).
    try HostTool.ip.run(["link", "set", "dev", device, "up"])
    try add(pairs, to: device)
  }

  /// Gives a device that is up its addresses.
  static func add(_ pairs: [TunAddressPair], to device: String) throws(SetupError) {
    for pair in pairs {
      let nodad = pair.local.isIPv4 ? [] : ["nodad"]
      try HostTool.ip.run(
        [option(pair.local.family), "address", "add", "\(pair.local)", "peer", "\(pair.peer)", "dev", device]
          + nodad)
    }
  }

  private static func option(_ family: AddressFamily) -> String { family == .ipv4 ? "-4" : "-6" }

  private static func decode<Value: Decodable>(
    _ type: Value.Type, _ text: String, _ command: [String]
  ) throws(SetupError) -> Value {
    // No entry at all is printed as nothing by some versions.
    let json = text.allSatisfy(\.isWhitespace) ? "[]" : text
    guard let value = try? JSONDecoder().decode(type, from: Data(json.utf8)) else {
      throw .toolOutputUnreadable(command: (["ip"] + command).joined(separator: " "))
    }
    return value
  }

  private struct Interface: Decodable {
    let name: String?
    let mtu: Int?
    let addressList: [Entry]?
    let information: Information?

    struct Information: Decodable {
      let kind: String?

      enum CodingKeys: String, CodingKey {
        case kind = "info_kind"
      }
    }

    enum CodingKeys: String, CodingKey {
      case name = "ifname"
      case mtu
      case addressList = "addr_info"
      case information = "linkinfo"
    }

    struct Entry: Decodable {
      let local: String?
      let prefixLength: Int?

      enum CodingKeys: String, CodingKey {
        case local
        case prefixLength = "prefixlen"
      }
    }
  }

  private struct Route: Decodable {
    let type: String?
    let destination: String?
    let device: String?
    let metrics: [Metric]?
    /// Of a route with several ways.
    let hops: [Hop]?

    /// Each once.
    var devices: [String] {
      ([device] + (hops ?? []).map(\.device)).compactMap(\.self)
        .reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    }

    struct Hop: Decodable {
      let device: String?

      enum CodingKeys: String, CodingKey {
        case device = "dev"
      }
    }

    enum CodingKeys: String, CodingKey {
      case type
      case destination = "dst"
      case device = "dev"
      case metrics
      case hops = "nexthops"
    }

    struct Metric: Decodable {
      let mtu: Int?
    }
  }
}
