internal import Glibc

/// What must be set so that the host forwards packets between the TUN device and the network.
///
/// IPv6 has a trap: a host that forwards ignores router advertisements and forgets the default route it
/// got from them, unless `accept_ra` is 2 (Documentation/networking/ip-sysctl.rst). So every interface
/// that listens to them (1) goes to 2 *before* forwarding goes on, and back to 1 after it has gone off.
///
/// Switching the global value writes every interface's own: those that forwarded before are remembered,
/// so that switching off leaves them as they were. IPv4's writes `conf/all/accept_redirects` as well: off as it goes on,
/// and on as it goes off (`inet_forward_change` in net/ipv4/devinet.c), whatever it was before.
enum Forwarding {
  /// The changes to make, in order; undone in reverse. Empty when the host forwards already.
  ///
  /// `device` is the TUN device, on which nobody advertises.
  static func changes(
    _ families: Set<AddressFamily>, _ sysctl: Sysctl, device: String
  ) -> [SysctlChange] {
    var changes: [SysctlChange] = []
    if families.contains(.ipv4), sysctl.read("net/ipv4/ip_forward") == "0" {
      changes += forwardingInterfaces(below: "net/ipv4/conf", sysctl)
      if let before = sysctl.read(redirects) {
        changes.append(SysctlChange(name: redirects, before: before, after: "0"))
      }
      changes.append(SysctlChange(name: "net/ipv4/ip_forward", before: "0", after: "1"))
    }
    if families.contains(.ipv6), sysctl.read("net/ipv6/conf/all/forwarding") == "0" {
      changes += forwardingInterfaces(below: "net/ipv6/conf", sysctl)
      changes += advertisementListeners(sysctl, besides: device)
      changes.append(SysctlChange(name: "net/ipv6/conf/all/forwarding", before: "0", after: "1"))
    }
    return changes
  }

  private static let redirects = "net/ipv4/conf/all/accept_redirects"

  /// Interfaces that forward already: nothing to change, but a value to put back.
  private static func forwardingInterfaces(below folder: String, _ sysctl: Sysctl) -> [SysctlChange] {
    sysctl.children(of: folder).filter { $0 != "all" }.map { "\(folder)/\($0)/forwarding" }
      .filter { sysctl.read($0) == "1" }
      .map { SysctlChange(name: $0, before: "1", after: "1") }
  }

  /// `default` too: an interface that appears later listens as well.
  private static func advertisementListeners(_ sysctl: Sysctl, besides device: String) -> [SysctlChange] {
    sysctl.children(of: "net/ipv6/conf").filter { !["all", "lo", device].contains($0) }
      .map { "net/ipv6/conf/\($0)/accept_ra" }
      .filter { sysctl.read($0) == "1" }
      .map { SysctlChange(name: $0, before: "1", after: "2") }
  }

  /// Makes the changes in order; what was made before a refusal is undone.
  static func apply(_ changes: [SysctlChange], _ sysctl: Sysctl) throws(SetupError) {
    // Redirects go off by themselves, and only have to be put back.
    for (index, change) in changes.enumerated()
    where change.before != change.after && change.name != redirects {
      do throws(SetupError) {
        try sysctl.write(change.name, change.after)
      } catch {
        _ = undo(Array(changes[..<index]), sysctl)
        throw error
      }
    }
  }

  /// Puts back in reverse order what nobody else has changed since; returns what was refused.
  static func undo(_ changes: [SysctlChange], _ sysctl: Sysctl) -> [SetupError] {
    var refusals: [SetupError] = []
    for change in changes.filter({ sysctl.read($0.name) == $0.after }).reversed() {
      do throws(SetupError) {
        try sysctl.write(change.name, change.before)
      } catch .sysctlRefused(_, _, ENOENT) {
        continue  // The interface has gone in the meantime.
      } catch {
        refusals.append(error)
      }
    }
    return refusals
  }
}
