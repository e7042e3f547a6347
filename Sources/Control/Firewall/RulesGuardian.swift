/// Notices when somebody else removes or changes our table, and puts it back (docs/decisions/0071-flushed-rules.md).
struct RulesGuardian: ~Copyable {
  private let monitor = ChangeMonitor.rules()
  /// Whether rules may have changed that nobody has looked at since.
  var looksAgain = false
  /// What nft showed after the last installation.
  private var listing: String?
  /// Whether a restoration failed, which is tried again and not complained about twice.
  private var isStuck = false
  private(set) var restorations: UInt64 = 0

  /// Whether somebody may have changed any rules since this was last asked.
  mutating func hearsOfChanges() -> Bool {
    defer { looksAgain = false }
    return monitor.hearsOfChanges() || looksAgain
  }

  mutating func install(_ rules: FirewallRules) throws(SetupError) {
    try Firewall.install(rules)
    listing = Firewall.listing(rules)
    // Others' rules were looked at a while ago, and what has come since is told of along with ours.
    looksAgain = true
  }

  mutating func noteRestoration() { restorations += 1 }

  /// Whether the rules had to be put back; they are looked at where there were changes. Throws the first of several
  /// failures in a row.
  mutating func restore(_ rules: FirewallRules, afterChanges: Bool) throws(SetupError) -> Bool {
    guard afterChanges || isStuck, listing == nil || Firewall.listing(rules) != listing
    else { return false }
    do throws(SetupError) {
      try install(rules)
    } catch {
      guard !isStuck else { return false }
      isStuck = true
      throw error
    }
    isStuck = false
    restorations += 1
    return true
  }
}
