internal import CLiburing
internal import Glibc

/// Hears from the kernel that somebody has changed what this host does with packets (multicast groups of netlink(7)).
/// What it tells is not looked at: what has come of it is, then.
struct ChangeMonitor: ~Copyable {
  /// Negative where there is none, as on a kernel without IPsec; nothing is heard then.
  private let socket: Int32

  private init(_ changes: guise_changes) { socket = guise_netlink_monitor(changes) }

  deinit { if socket >= 0 { close(socket) } }

  /// Of nftables (NFNLGRP_NFTABLES, linux/netfilter/nfnetlink.h).
  static func rules() -> ChangeMonitor { ChangeMonitor(GUISE_CHANGES_NFTABLES) }

  /// Of the policies of IPsec (XFRMNLGRP_POLICY, linux/xfrm.h).
  static func policies() -> ChangeMonitor { ChangeMonitor(GUISE_CHANGES_IPSEC) }

  /// Whether there were changes since this was last asked.
  func hearsOfChanges() -> Bool { guise_netlink_drain(socket) == 1 }
}
