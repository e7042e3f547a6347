/// The host's nftables, by way of nft(8). Only guise's own tables are touched.
enum Firewall {
  static func install(_ rules: FirewallRules) throws(SetupError) {
    try HostTool.nft.run(["-f", "-"], input: rules.text)
  }

  /// Deletes a table; one that is gone already is no error.
  static func remove(table: String) throws(SetupError) {
    try HostTool.nft.run(["-f", "-"], input: FirewallRules.removal(of: table))
  }

  /// A table as nft shows it, without what counters say; nil when there is none.
  static func listing(table: String) -> String? {
    try? HostTool.nft.run(["--stateless", "list", "table", "inet", table])
  }
}
