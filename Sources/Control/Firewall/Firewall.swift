/// The host's nftables, by way of nft(8). Only guise's own tables are touched.
enum Firewall {
  static func install(_ rules: FirewallRules) throws(SetupError) {
    let text = rules.text
    if !text.isEmpty { try install(text) }
  }

  private static func install(_ text: String) throws(SetupError) {
    try HostTool.nft.run(["-f", "-"], input: text)
  }

  /// Whether the kernel would take the rules; has it build them and throw them away.
  static func takes(_ rules: FirewallRules) -> Bool {
    (try? HostTool.nft.run(["--check", "-f", "-"], input: rules.text)) != nil
  }

  /// Deletes a table in the families given; where there is none that is no error.
  static func remove(
    table: String, _ families: [FirewallRules.TableFamily] = FirewallRules.TableFamily.allCases
  ) throws(SetupError) {
    let text = families.filter { listing($0, table: table) != nil }
      .map { FirewallRules.removal(of: table, $0) }.joined()
    if !text.isEmpty { try install(text) }
  }

  /// Whether there is such a table in any family.
  static func has(table: String) -> Bool {
    FirewallRules.TableFamily.allCases.contains { listing($0, table: table) != nil }
  }

  /// The rules' tables as nft shows them, without what counters say; nil when one is missing.
  static func listing(_ rules: FirewallRules) -> String? {
    var text = ""
    for family in rules.tableFamilies {
      guard let table = listing(family, table: FirewallRules.table(of: rules.device)) else { return nil }
      text += table
    }
    return text
  }

  private static func listing(_ family: FirewallRules.TableFamily, table: String) -> String? {
    try? HostTool.nft.run(["--stateless", "list", "table", family.rawValue, table])
  }
}
