/// Notices when somebody else removes or changes our table, and puts it back (docs/decisions/0071-flushed-rules.md).
struct RulesGuardian: ~Copyable {
  private let monitor = ChangeMonitor.rules()
  /// Whether rules may have changed that nobody has looked at since.
  var looksAgain = false
  /// What nft showed after the last installation.
  private var listing: String?
  /// Whether an installation failed, which is tried again and not complained about twice.
  private var isStuck = false
  private(set) var restorations: UInt64 = 0

  /// Whether somebody may have changed any rules since this was last asked.
  mutating func hearsOfChanges() -> Bool {
    defer { looksAgain = false }
    return monitor.hearsOfChanges() || looksAgain
  }

  mutating func install(_ rules: FirewallRules) throws(SetupError) {
    do throws(SetupError) {
      try Firewall.install(rules)
    } catch {
      isStuck = true
      listing = nil
      throw error
    }
    isStuck = false
    listing = Firewall.listing(rules)
    // Others' rules were looked at a while ago, and what has come since is told of along with ours.
    looksAgain = true
  }

  mutating func noteRestoration() { restorations += 1 }

  /// What had to be done for the rules to be there.
  enum Restoration {
    /// Somebody had removed or changed them.
    case again
    /// They had been refused before.
    case atLast
  }

  /// Puts the rules back where they are not as they were installed; they are looked at where there were changes. Throws
  /// the first of several failures in a row.
  mutating func restore(_ rules: FirewallRules, afterChanges: Bool) throws(SetupError) -> Restoration? {
    guard afterChanges || isStuck, listing == nil || Firewall.listing(rules) != listing
    else { return nil }
    let wasStuck = isStuck
    do throws(SetupError) {
      try install(rules)
    } catch {
      guard !wasStuck else { return nil }
      throw error
    }
    restorations += 1
    return wasStuck ? .atLast : .again
  }
}
