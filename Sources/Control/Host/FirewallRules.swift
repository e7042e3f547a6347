package import DataPlane

/// The nftables table of one gateway, as text for `nft -f -`.
///
/// Our TCP end lives behind the TUN device, so its packets are forwarded: a client's leave under the
/// host's own address (masquerade), a server's arrive at one (DNAT). Conntrack translates no packet that
/// it calls invalid; such a packet must neither leave under our private address nor reach the host's own
/// TCP, which would answer with a reset and end the flow. It is dropped and counted as `invalid`.
///
/// An accept here would not overrule another table's drop: a host whose forward chain drops by policy
/// needs a rule of its own for the TUN device.
package struct FirewallRules: Equatable, Sendable {
  /// What distinguishes the ends.
  package enum End: Equatable, Sendable {
    case client(remote: Endpoint)
    case server(port: UInt16)
  }

  package let device: String
  /// Our TCP end's addresses, at most one of each family.
  package let peers: [Address]
  package let end: End

  package init(device: String, peers: [Address], end: End) {
    self.device = device
    self.peers = peers
    self.end = end
  }

  /// The table's name in the family `inet`.
  package static func table(of device: String) -> String { "guise_\(device)" }

  /// Text that deletes a table, and does nothing when there is none.
  package static func removal(of table: String) -> String {
    "add table inet \(table)\ndelete table inet \(table)\n"
  }

  /// Replaces the table as a whole, in one transaction.
  package var text: String {
    let table = Self.table(of: device)
    return Self.removal(of: table)
      + "table inet \(table) {\n"
      + "  counter invalid {\n  }\n\n"
      + chains.map(\.text).joined(separator: "\n")
      + "}\n"
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

  private var chains: [Chain] {
    let outside = "\"\(device)\""
    let drop = "counter name \"invalid\" drop"
    let untranslated = Chain(
      name: "untranslated", hook: "filter hook postrouting priority srcnat + 10",
      rules: peers.map { "oifname != \(outside) \(Self.keyword($0)) saddr \($0) \(drop)" })

    switch end {
    case .client(let remote):
      let origin = "\(Self.keyword(remote.address)) saddr \(remote.address) tcp sport \(remote.port)"
      return [
        Chain(
          name: "postrouting", hook: "nat hook postrouting priority srcnat",
          rules: peers.map { "oifname != \(outside) \(Self.keyword($0)) saddr \($0) masquerade" }),
        untranslated,
        Chain(
          name: "input", hook: "filter hook input priority filter",
          rules: ["iifname != \(outside) \(origin) ct state invalid \(drop)"]),
      ]
    case .server(let port):
      return [
        Chain(
          name: "prerouting", hook: "nat hook prerouting priority dstnat",
          rules: peers.map {
            "iifname != \(outside) meta nfproto \($0.isIPv4 ? "ipv4" : "ipv6") fib daddr type local tcp dport \(port) "
              + Self.translation(to: $0)
          }),
        // Programs on this host; what they send to a loopback address cannot leave through a device.
        Chain(
          name: "output", hook: "nat hook output priority -100",
          rules: peers.map {
            "\(Self.keyword($0)) daddr != \($0.isIPv4 ? "127.0.0.0/8" : "::1") fib daddr type local "
              + "tcp dport \(port) \(Self.translation(to: $0))"
          }),
        untranslated,
        Chain(
          name: "input", hook: "filter hook input priority filter",
          rules: ["iifname != \(outside) tcp dport \(port) ct state invalid \(drop)"]),
      ]
    }
  }

  private static func keyword(_ address: Address) -> String { address.isIPv4 ? "ip" : "ip6" }

  private static func translation(to peer: Address) -> String { "dnat \(keyword(peer)) to \(peer)" }
}
