internal import CLiburing
internal import Glibc

/// Notices when somebody else removes or changes our table, and puts it back (docs/decisions/0071-flushed-rules.md).
///
/// The kernel tells of every change to nftables (NFNLGRP_NFTABLES, linux/netfilter/nfnetlink.h). What it tells is not
/// looked at: our table is, then.
struct RulesGuardian: ~Copyable {
  /// A netlink socket, or -1 where there is none; nothing is noticed then.
  private let monitor = guise_nftables_monitor()
  /// What nft showed after the last installation.
  private var listing: String?
  /// Whether a restoration failed, which is tried again and not complained about twice.
  private var isStuck = false
  private(set) var restorations: UInt64 = 0

  deinit { if monitor >= 0 { close(monitor) } }

  /// Whether somebody has changed any rules since this was last asked.
  func hearsOfChanges() -> Bool { guise_netlink_drain(monitor) == 1 }

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
