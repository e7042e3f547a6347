package import DataPlane

/// The nftables rules of one gateway, as text for `nft -f -`.
///
/// Our TCP end lives behind the TUN device, so its packets are forwarded, and its address must become one of
/// the host's own on the way out and back again on the way in (`Translation`).
///
/// Conntrack, where it translates, translates no packet that it calls invalid; such a packet must neither
/// leave under our private address nor reach the host's own TCP, which would answer with a reset and end the
/// flow. It is dropped and counted as `invalid`.
///
/// Where no path is tracked there is no chain of type nat, whose presence alone would have the kernel track all of the
/// namespace, loopback included.
///
/// An accept here would not overrule another table's drop: a host whose forward chain drops by policy
/// needs a rule of its own for the TUN device.
package struct FirewallRules: Equatable, Sendable {
  /// What distinguishes the ends.
  package enum End: Equatable, Sendable {
    case client(remotes: [Endpoint])
    /// `address` is the only one that is served, or nil for all.
    case server(address: Address?, port: UInt16)
  }

  /// One family's addresses on the device, and how our TCP end's is translated.
  package struct Path: Equatable, Sendable {
    package let pair: TunAddressPair
    package var translation: Translation

    package init(pair: TunAddressPair, translation: Translation) {
      self.pair = pair
      self.translation = translation
    }

    var family: AddressFamily { pair.peer.family }
    /// Our TCP end's address.
    var peer: Address { pair.peer }
    /// nft's word for the family.
    var ip: String { family == .ipv4 ? "ip" : "ip6" }

    /// Where rules translate without connection tracking.
    var outlet: Outlet? {
      if case .stateless(let outlet) = translation { outlet } else { nil }
    }
    var isTracked: Bool { if case .tracked = translation { true } else { false } }
  }

  package let device: String
  /// At most one of each family.
  package var paths: [Path]
  package var end: End
  /// What routing shall know guise's packets by (docs/decisions/0072-routing-loops.md); nil for no mark.
  package let mark: UInt32?

  package init(device: String, paths: [Path], end: End, mark: UInt32? = nil) {
    self.device = device
    self.paths = paths
    self.end = end
    self.mark = mark
  }

  /// How addresses are translated, for the log.
  var summary: String {
    paths.map { path in
      switch path.translation {
      case .tracked: "\(path.family) by connection tracking"
      case .stateless(let outlet): "\(path.family) as \(outlet.address) past connection tracking"
      case .atTC(let outlet, let others):
        "\(path.family) as \(outlet.address) at tc on \(outlet.device ?? "")"
          + others.map { ", as \($0.address) on \($0.device ?? "")" }.joined()
      case .unreachable: "\(path.family) not yet, for want of an address"
      }
    }.joined(separator: ", ")
  }

  /// Whether a client's source ports are confined to `Translation.statelessPorts`.
  var isStateless: Bool { paths.contains { $0.translation.outlet != nil } }

  /// The name of the device's tables.
  package static func table(of device: String) -> String { tablePrefix + device }
  private static let tablePrefix = "guise_"

  /// Whether a table is that of a gateway, by its name.
  static func isOwn(_ table: String) -> Bool { table.hasPrefix(tablePrefix) }

  /// Families of nftables that a gateway may have a table in.
  package enum TableFamily: String, CaseIterable, Sendable {
    /// For what the host forwards and receives.
    case inet
    /// For what enters a device, behind the programs at tc.
    case netdev
  }

  /// The families that there is a table in.
  package var tableFamilies: [TableFamily] {
    TableFamily.allCases.filter { !chains($0).isEmpty }
  }

  /// Those that there is none in.
  var otherFamilies: [TableFamily] { TableFamily.allCases.filter { !tableFamilies.contains($0) } }

  /// Text that deletes a table, and does nothing when there is none.
  package static func removal(of table: String, _ family: TableFamily = .inet) -> String {
    "add table \(family.rawValue) \(table)\ndelete table \(family.rawValue) \(table)\n"
  }

  /// Replaces the tables as a whole, in one transaction.
  package var text: String {
    let table = Self.table(of: device)
    return tableFamilies.map { family in
      Self.removal(of: table, family) + "table \(family.rawValue) \(table) {\n"
        + (family == .inet ? "  counter invalid {\n  }\n\n" : "")
        + chains(family).map(\.text).joined(separator: "\n") + "}\n"
    }.joined()
  }

  private func chains(_ family: TableFamily) -> [Chain] {
    let chains =
      switch family {
      case .inet: markChains + statelessChains + trackedChains
      case .netdev: chainsOfOthers
      }
    return chains.filter { !$0.rules.isEmpty }
  }

  private struct Chain {
    let name: String
    let hook: String
    let rules: [String]

    var text: String {
      let lines = ["type \(hook); policy accept;"] + rules
      return "  chain \(name) {\n" + lines.map { "    \($0)\n" }.joined() + "  }\n"
    }
  }

  private var fromUs: String { "iifname \"\(device)\"" }
  private var toOthers: String { "oifname != \"\(device)\"" }
  private var fromOthers: String { "iifname != \"\(device)\"" }

  // MARK: - For routing

  /// Before the way out is looked up, and before reverse path filtering looks up the way back
  /// (`net.ipv4.conf.*.src_valid_mark`).
  private var markChains: [Chain] {
    guard let mark else { return [] }
    let rules = paths.filter { $0.isTracked || $0.outlet != nil }.flatMap { path -> [String] in
      ["\(fromUs) \(path.ip) saddr \(path.peer)"] + arrivals(path).map { "\(fromOthers) \($0)" }
    }
    return [
      Chain(
        name: "marks", hook: "filter hook prerouting priority mangle",
        rules: rules.map { "\($0) meta mark set \(mark)" })
    ]
  }

  /// What the segments that come in have in common.
  private func arrivals(_ path: Path) -> [String] {
    switch end {
    case .client(let remotes):
      remotes.filter { $0.address.family == path.family }
        .map { "\(path.ip) saddr \($0.address) tcp sport \($0.port)" }
    case .server(let address, let port): ["\(Self.destination(address, path)) tcp dport \(port)"]
    }
  }

  // MARK: - Past connection tracking

  private var statelessChains: [Chain] {
    // A server's arrivals are taken before a client's, whose server might come from the same port.
    let priority =
      switch end {
      case .client: "raw"
      case .server: "raw - 1"
      }
    let routes = paths.compactMap { path in path.outlet.map { (path, $0) } }
    return [
      Chain(
        name: "arrivals", hook: "filter hook prerouting priority \(priority)",
        rules: routes.flatMap { arrivals($0, $1) }),
      Chain(
        name: "departures", hook: "filter hook postrouting priority srcnat",
        rules: routes.map { path, outlet in
          "\(toOthers) \(path.ip) saddr \(path.peer) \(path.ip) saddr set \(outlet.address) accept"
        }),
    ] + chainsForOwnPrograms(routes)
  }

  /// For programs on a server's own host, whose packets neither arrive nor depart.
  private func chainsForOwnPrograms(_ routes: [(path: Path, outlet: Outlet)]) -> [Chain] {
    guard case .server(_, let port) = end else { return [] }
    return [
      Chain(
        name: "requests", hook: "route hook output priority raw",
        rules: routes.map { path, outlet in
          "\(path.ip) daddr \(outlet.address) tcp dport \(port) \(path.ip) daddr set \(path.peer)"
        }),
      Chain(
        name: "answers", hook: "filter hook input priority 100",
        rules: routes.map { path, outlet in
          "\(fromUs) \(path.ip) saddr \(path.peer) tcp sport \(port) \(path.ip) saddr set \(outlet.address)"
        }),
    ]
  }

  private func arrivals(_ path: Path, _ outlet: Outlet) -> [String] {
    let (ip, peer, own) = (path.ip, path.peer, outlet.address)
    let take = "notrack \(ip) daddr set \(peer) accept"
    switch end {
    case .client(let remotes):
      let ports = Translation.statelessPorts
      return ["\(fromUs) \(ip) saddr \(peer) notrack accept"]
        + remotes.filter { $0.address.family == path.family }.flatMap { remote in
          [
            "\(fromOthers) \(ip) saddr \(remote.address) \(ip) daddr \(own) tcp sport \(remote.port) "
              + "tcp dport \(ports.lowerBound)-\(ports.upperBound) \(take)",
            "\(fromOthers) \(ip) daddr \(own) \(Quote.tooBig(path.family)) "
              + "\(Quote.destination(remote, path.family)) \(take)",
          ]
        }
    case .server(_, let port):
      let from = outlet.device.map { "iifname \"\($0)\"" } ?? fromOthers
      return [
        "\(fromUs) \(ip) saddr \(peer) \(ip) daddr != { \(path.pair.local), \(own) } notrack accept",
        "\(from) \(ip) daddr \(own) tcp dport \(port) \(take)",
        // What other gateways of this host masquerade is tracked for them.
        "\(fromOthers) \(ip) daddr \(own) tcp dport \(port) \(ip) daddr set \(peer) accept",
        "\(from) \(ip) daddr \(own) \(Quote.tooBig(path.family)) "
          + "\(Quote.source(Endpoint(own, port: port), path.family)) \(take)",
      ]
    }
  }

  // MARK: - At tc

  /// Translates what comes to a server by other devices than the one with programs, each with an address of its own that
  /// answers leave by.
  private var chainsOfOthers: [Chain] {
    guard case .server(_, let port) = end else { return [] }
    return paths.flatMap { path -> [Chain] in
      guard case .atTC(_, let others) = path.translation else { return [] }
      return others.enumerated().flatMap { index, other -> [Chain] in
        guard let device = other.device else { return [] }
        let (ip, own, peer) = (path.ip, other.address, path.peer)
        let number = "\(path.family == .ipv4 ? 4 : 6)_\(index + 1)"
        return [
          Chain(
            name: "arrivals\(number)", hook: "filter hook ingress device \"\(device)\" priority filter",
            rules: [
              "\(ip) daddr \(own) tcp dport \(port) \(ip) daddr set \(peer) accept",
              "\(ip) daddr \(own) \(Quote.tooBig(path.family)) "
                + "\(Quote.source(Endpoint(own, port: port), path.family)) \(ip) daddr set \(peer) accept",
            ]),
          Chain(
            name: "departures\(number)", hook: "filter hook egress device \"\(device)\" priority filter",
            rules: ["\(ip) saddr \(peer) \(ip) saddr set \(own) accept"]),
        ]
      }
    }
  }

  // MARK: - By connection tracking

  private var trackedChains: [Chain] {
    let tracked = paths.filter(\.isTracked)
    let drop = "counter name \"invalid\" drop"
    let untranslated = Chain(
      name: "untranslated", hook: "filter hook postrouting priority srcnat + 10",
      rules: tracked.map { "\(toOthers) \($0.ip) saddr \($0.peer) \(drop)" })

    switch end {
    case .client:
      return [
        Chain(
          name: "postrouting", hook: "nat hook postrouting priority srcnat",
          rules: tracked.map { "\(toOthers) \($0.ip) saddr \($0.peer) \(Self.masquerade($0.translation))" }),
        untranslated,
        Chain(
          name: "input", hook: "filter hook input priority filter",
          // Of a flow that is not known, or not yet again, the first packet is never the server's.
          rules: tracked.flatMap { path in
            arrivals(path).flatMap { match in
              ["invalid", "new tcp flags & ack == ack"].map {
                "\(fromOthers) \(match) ct state \($0) \(drop)"
              }
            }
          }),
      ]
    case .server(_, let port):
      return [
        Chain(
          name: "prerouting", hook: "nat hook prerouting priority dstnat",
          rules: tracked.flatMap { path in
            arrivals(path).map { "\(fromOthers) \($0) dnat \(path.ip) to \(path.peer)" }
          }),
        // Programs on this host; what they send to a loopback address cannot leave through a device.
        Chain(
          name: "output", hook: "nat hook output priority -100",
          rules: tracked.flatMap { path in
            arrivals(path).map {
              "\(path.ip) daddr != \(path.family == .ipv4 ? "127.0.0.0/8" : "::1") \($0) "
                + "dnat \(path.ip) to \(path.peer)"
            }
          }),
        untranslated,
        Chain(
          name: "input", hook: "filter hook input priority filter",
          rules: tracked.map {
            "\(fromOthers) meta nfproto \($0.family.nfproto) tcp dport \(port) ct state invalid \(drop)"
          }),
      ]
    }
  }

  private static func masquerade(_ translation: Translation) -> String {
    guard case .tracked(let ports?) = translation else { return "masquerade" }
    return "meta l4proto tcp masquerade to :\(ports.lowerBound)-\(ports.upperBound)"
  }

  private static func destination(_ address: Address?, _ path: Path) -> String {
    address.map { "\(path.ip) daddr \($0)" } ?? "meta nfproto \(path.family.nfproto) fib daddr type local"
  }

  // MARK: - What ICMP errors quote

  /// Matches on the packet that an ICMP error quotes, by bits from the start of the ICMP header: 8 bytes of
  /// its own, then an IP header without options, then the ports (RFC 792, RFC 4443 §3.2).
  private enum Quote {
    /// The error that our TCP end wants to know of, about a TCP segment.
    static func tooBig(_ family: AddressFamily) -> String {
      family == .ipv4
        ? "icmp type destination-unreachable icmp code frag-needed @th,136,8 6"
        : "icmpv6 type packet-too-big @th,112,8 6"
    }

    static func source(_ endpoint: Endpoint, _ family: AddressFamily) -> String {
      family == .ipv4
        ? "@th,160,32 \(endpoint.address.hexadecimal) @th,224,16 \(endpoint.port)"
        : "@th,128,128 \(endpoint.address.hexadecimal) @th,384,16 \(endpoint.port)"
    }

    static func destination(_ endpoint: Endpoint, _ family: AddressFamily) -> String {
      family == .ipv4
        ? "@th,192,32 \(endpoint.address.hexadecimal) @th,240,16 \(endpoint.port)"
        : "@th,256,128 \(endpoint.address.hexadecimal) @th,400,16 \(endpoint.port)"
    }
  }
}

extension AddressFamily {
  /// nft's word for it where a rule is about the family alone.
  fileprivate var nfproto: String { self == .ipv4 ? "ipv4" : "ipv6" }
}

extension Address {
  /// The address as one number in network order, `0xc0000201`.
  fileprivate var hexadecimal: String {
    "0x"
      + bytes.map { byte in
        let digits = String(byte, radix: 16)
        return digits.count == 1 ? "0" + digits : digits
      }.joined()
  }
}
