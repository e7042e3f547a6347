internal import FoundationEssentials

/// The host's nftables, by way of nft(8). Only guise's own tables are touched.
enum Firewall {
  static func install(_ rules: FirewallRules) throws(SetupError) {
    try HostTool.nft.run(["-f", "-"], input: rules.text)
  }

  /// Deletes a table; one that is gone already is no error.
  static func remove(table: String) throws(SetupError) {
    try HostTool.nft.run(["-f", "-"], input: FirewallRules.removal(of: table))
  }

  /// Forward chains that drop what no rule accepts, as "ip filter FORWARD".
  static func droppingForwardChains() throws(SetupError) -> [String] {
    try droppingForwardChains(listing: try HostTool.nft.run(["-j", "list", "chains"]))
  }

  /// Reads the chains out of what `nft -j list chains` printed.
  static func droppingForwardChains(listing: String) throws(SetupError) -> [String] {
    guard let list = try? JSONDecoder().decode(Listing.self, from: Data(listing.utf8)) else {
      throw .toolOutputUnreadable(command: "nft -j list chains")
    }
    return list.nftables.compactMap(\.chain)
      .filter { $0.hook == "forward" && $0.policy == "drop" }
      .map { "\($0.family) \($0.table) \($0.name)" }
  }

  private struct Listing: Decodable {
    let nftables: [Entry]

    struct Entry: Decodable {
      let chain: Chain?
    }

    struct Chain: Decodable {
      let family: String
      let table: String
      let name: String
      let hook: String?
      let policy: String?
    }
  }
}
