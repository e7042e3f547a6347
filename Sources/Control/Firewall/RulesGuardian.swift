/// Notices when somebody else removes or changes our table, and puts it back (docs/decisions/0071-flushed-rules.md).
struct RulesGuardian: ~Copyable {
  private let monitor = ChangeMonitor.rules()
  /// What nft showed after the last installation.
  private var listing: String?
  /// Whether a restoration failed, which is tried again and not complained about twice.
  private var isStuck = false
  private(set) var restorations: UInt64 = 0

  /// Whether somebody has changed any rules since this was last asked.
  func hearsOfChanges() -> Bool { monitor.hearsOfChanges() }

  mutating func install(_ rules: FirewallRules) throws(SetupError) {
    try Firewall.install(rules)
    // What the kernel told of this change is no news; what somebody changes from here on is.
    _ = hearsOfChanges()
    listing = Firewall.listing(rules)
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
