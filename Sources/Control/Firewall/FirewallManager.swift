/// Who keeps a chain of the host's, and how it is told to let guise's packets through.
enum FirewallManager: Equatable, Sendable {
  case firewalld
  /// Of the family `ip` or `ip6`.
  case ufw(String)
  case docker(String)
  case iptables(String)
  case other

  /// Behind the chain's name.
  var words: String {
    switch self {
    case .firewalld: " (firewalld)"
    case .ufw: " (ufw)"
    case .docker: " (Docker)"
    case .iptables, .other: ""
    }
  }

  /// `chain` as "ip filter FORWARD".
  func remedy(device: String, chain: String) -> String {
    switch self {
    case .firewalld:
      "firewall-cmd --permanent --zone=trusted --add-interface=\(device) && firewall-cmd --reload"
    case .ufw: "ufw route allow in on \(device) && ufw route allow out on \(device)"
    case .docker(let family):
      "\(Self.program(family)) -I DOCKER-USER -i \(device) -j ACCEPT && "
        + "\(Self.program(family)) -I DOCKER-USER -o \(device) -j ACCEPT"
    case .iptables(let family) where chain.hasSuffix(" filter FORWARD"):
      "\(Self.program(family)) -I FORWARD -i \(device) -j ACCEPT && "
        + "\(Self.program(family)) -I FORWARD -o \(device) -j ACCEPT"
    case .iptables, .other:
      "nft insert rule \(chain) iifname \"\(device)\" accept && nft insert rule \(chain) oifname \"\(device)\" accept"
    }
  }

  private static func program(_ family: String) -> String { family == "ip6" ? "ip6tables" : "iptables" }
}
