internal import FoundationEssentials

/// The host's rules, as `nft -j list ruleset` shows them (libnftables-json(5)), as far as they decide about what is
/// forwarded.
struct Ruleset {
  /// A chain of others' that drops what guise has forwarded.
  struct Obstacle: Equatable {
    /// "ip filter FORWARD".
    let chain: String
    let manager: FirewallManager
    /// "from", "to", or "from and to" guise's device.
    let direction: String

    var text: String {
      "the chain '\(chain)'\(manager.words) drops forwarded packets \(direction) guise's device"
    }

    func remedy(device: String) -> String { manager.remedy(device: device, chain: chain) }
  }

  private let chains: [Chain]
  private let rules: [Rule]

  /// The rules that are in force now.
  static func current() throws(SetupError) -> Ruleset {
    try Ruleset(listing: try HostTool.nft.run(["-j", "-t", "list", "ruleset"]))
  }

  init(listing: String) throws(SetupError) {
    guard let list = try? JSONDecoder().decode(Listing.self, from: Data(listing.utf8)) else {
      throw .toolOutputUnreadable(command: "nft -j -t list ruleset")
    }
    chains = list.nftables.compactMap(\.chain)
    rules = list.nftables.compactMap(\.rule)
  }

  /// Chains of the forward hook that drop any of the packets. What a rule asks that is not known here it is
  /// taken not to fit.
  func obstacles(to passage: Passage) -> [Obstacle] {
    chains.filter { $0.hook == "forward" }.compactMap { chain in
      var directions: [String] = []
      for packet in passage.packets
      where !isAccepted(packet, by: chain) && !directions.contains(packet.direction) {
        directions.append(packet.direction)
      }
      guard !directions.isEmpty else { return nil }
      return Obstacle(
        chain: chain.title, manager: manager(of: chain), direction: directions.joined(separator: " and "))
    }
  }

  /// A chain of others that does something with packets that are forwarded, as "ip filter FORWARD"; nil where nobody has
  /// any. Chains without rules that let all pass are none.
  var chainForForwarded: String? {
    chains.first { chain in
      guard let hook = chain.hook, Self.hooksOfForwarded.contains(hook), !FirewallRules.isOwn(chain.table)
      else { return false }
      return chain.policy == "drop" || rules.contains { $0.isIn(chain) }
    }?.title
  }

  private static let hooksOfForwarded = ["ingress", "prerouting", "forward", "postrouting"]

  private func manager(of chain: Chain) -> FirewallManager {
    let names = chains.filter { $0.family == chain.family && $0.table == chain.table }.map(\.name)
    if chain.table == "firewalld" { return .firewalld }
    if names.contains(where: { $0.hasPrefix("ufw-") || $0.hasPrefix("ufw6-") }) { return .ufw(chain.family) }
    if names.contains("DOCKER-USER") { return .docker(chain.family) }
    return chain.family == "ip" || chain.family == "ip6" ? .iptables(chain.family) : .other
  }

  // MARK: - Judgement

  private enum Verdict { case accept, drop, comeBack }

  private func isAccepted(_ packet: Passage.Packet, by chain: Chain) -> Bool {
    (verdict(packet, chain, depth: 0) ?? (chain.policy == "drop" ? .drop : .accept)) != .drop
  }

  /// nil at the end of a chain.
  private func verdict(_ packet: Passage.Packet, _ chain: Chain, depth: Int) -> Verdict? {
    // nf_tables allows 16 jumps (NFT_JUMP_STACK_SIZE).
    guard depth < 16 else { return nil }
    for rule in rules where rule.isIn(chain) {
      guard rule.fits(packet) else { continue }
      switch rule.outcome {
      case .accept: return .accept
      case .drop: return .drop
      case .comeBack: return nil
      case .jump(let name, let isGoto):
        guard let target = chains.first(where: { $0.name == name && $0.isBeside(chain) }) else { continue }
        let found = verdict(packet, target, depth: depth + 1)
        if found != nil || isGoto { return found }
      case nil: continue
      }
    }
    return nil
  }

  // MARK: - JSON

  private struct Listing: Decodable {
    let nftables: [Entry]

    struct Entry: Decodable {
      let chain: Chain?
      let rule: Rule?
    }
  }

  struct Chain: Decodable {
    let family: String
    let table: String
    let name: String
    let hook: String?
    let policy: String?

    var title: String { "\(family) \(table) \(name)" }
    func isBeside(_ other: Chain) -> Bool { family == other.family && table == other.table }
  }

  struct Rule: Decodable {
    let family: String
    let table: String
    let chain: String
    let expr: [Statement]

    enum Outcome {
      case accept
      case drop
      case comeBack
      case jump(String, isGoto: Bool)
    }

    func isIn(_ other: Chain) -> Bool {
      family == other.family && table == other.table && chain == other.name
    }
    func fits(_ packet: Passage.Packet) -> Bool { expr.allSatisfy { $0.fits(packet) } }
    var outcome: Outcome? { expr.lazy.compactMap(\.outcome).first }
  }

  /// A match, a verdict, or something else that a rule is made of.
  struct Statement: Decodable {
    private let match: Match?
    let outcome: Rule.Outcome?
    /// Whether it lets every packet pass on to the next statement.
    private let isIndifferent: Bool

    private enum Keys: String, CodingKey {
      case match, accept, drop, reject, jump, goto, counter, log, limit, comment
      case comeBack = "return"
    }

    init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: Keys.self)
      match = try? container.decodeIfPresent(Match.self, forKey: .match)
      if container.contains(.accept) {
        outcome = .accept
      } else if container.contains(.drop) || container.contains(.reject) {
        outcome = .drop
      } else if container.contains(.comeBack) {
        outcome = .comeBack
      } else if let target = try? container.decode(Target.self, forKey: .jump) {
        outcome = .jump(target.target, isGoto: false)
      } else if let target = try? container.decode(Target.self, forKey: .goto) {
        outcome = .jump(target.target, isGoto: true)
      } else {
        outcome = nil
      }
      isIndifferent = container.contains(.counter) || container.contains(.log) || container.contains(.comment)
    }

    func fits(_ packet: Passage.Packet) -> Bool {
      match?.fits(packet) ?? (outcome != nil || isIndifferent)
    }

    private struct Target: Decodable { let target: String }
  }

  struct Match: Decodable {
    private let isNegated: Bool
    private let key: String?
    private let values: [String]

    private enum Keys: String, CodingKey { case op, left, right }
    private struct Left: Decodable {
      let meta: Key?
      let ct: Key?
      struct Key: Decodable { let key: String }
    }
    private struct Set: Decodable { let set: [String] }

    init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: Keys.self)
      isNegated = (try? container.decode(String.self, forKey: .op)) == "!="
      let left = try? container.decode(Left.self, forKey: .left)
      key = left?.meta.map { "meta \($0.key)" } ?? left?.ct.map { "ct \($0.key)" }
      if let one = try? container.decode(String.self, forKey: .right) {
        values = [one]
      } else if let list = try? container.decode([String].self, forKey: .right) {
        values = list
      } else {
        values = (try? container.decode(Set.self, forKey: .right))?.set ?? []
      }
    }

    func fits(_ packet: Passage.Packet) -> Bool {
      let own: String
      switch key {
      case "meta iifname", "meta iif":
        guard let input = packet.input else { return false }
        own = input
      case "meta oifname", "meta oif":
        guard let output = packet.output else { return false }
        own = output
      case "ct state": own = packet.state
      case "ct status": own = packet.isTranslated ? "dnat" : ""
      case "meta l4proto": own = "tcp"
      default: return false
      }
      let isThere = values.contains { value in
        value.hasSuffix("*") ? own.hasPrefix(value.dropLast()) : own == value
      }
      return isThere != isNegated
    }
  }
}
