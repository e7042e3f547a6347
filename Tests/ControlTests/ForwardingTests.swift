import Foundation
import Testing

@testable import Control

/// Against a tree of files that stands for `/proc/sys`.
@Suite final class ForwardingTests {
  private let root = FileManager.default.temporaryDirectory.appending(path: "gc-sysctl-\(UUID())").path()
  private let sysctl: Sysctl

  init() throws {
    sysctl = Sysctl(root: root)
    try set("net/ipv4/ip_forward", "0")
    for interface in ["all", "default", "lo", "eth0", "eth1.5", "guise0"] {
      try set("net/ipv4/conf/\(interface)/forwarding", "0")
      try set("net/ipv6/conf/\(interface)/forwarding", "0")
      try set("net/ipv6/conf/\(interface)/accept_ra", interface == "eth1.5" ? "0" : "1")
    }
  }

  deinit { try? FileManager.default.removeItem(atPath: root) }

  private func set(_ name: String, _ value: String) throws {
    let path = "\(root)/\(name)"
    try FileManager.default.createDirectory(
      atPath: String(path[..<path.lastIndex(of: "/")!]), withIntermediateDirectories: true)
    try value.write(toFile: path, atomically: false, encoding: .utf8)
  }

  @Test func aHostThatForwardsAlreadyIsLeftAlone() throws {
    try set("net/ipv4/ip_forward", "1")
    try set("net/ipv6/conf/all/forwarding", "1")
    #expect(Forwarding.changes([.ipv4, .ipv6], sysctl, device: "guise0").isEmpty)
  }

  /// The kernel switches them off when forwarding goes on, and on when it goes off.
  @Test(arguments: ["0", "1"]) func redirectsAreAcceptedAfterwardsAsBefore(before: String) throws {
    let redirects = "net/ipv4/conf/all/accept_redirects"
    try set(redirects, before)
    let changes = Forwarding.changes([.ipv4], sysctl, device: "guise0")
    #expect(changes.first == SysctlChange(name: redirects, before: before, after: "0"))
    #expect(changes.allSatisfy { $0.isPlausible })
    try Forwarding.apply(changes, sysctl)
    // That alone is asked for, and named where it is refused.
    #expect(sysctl.read("net/ipv4/ip_forward") == "1" && sysctl.read(redirects) == before)
    try set(redirects, "0")
    #expect(Forwarding.undo(changes, sysctl).isEmpty)
    #expect(sysctl.read(redirects) == before)
  }

  @Test(arguments: [
    "net/ipv4/conf/eth0/accept_redirects", "net/ipv6/conf/all/accept_redirects",
    "net/ipv4/conf/all/secure_redirects",
  ]) func recordsOfOtherRedirectsAreNotGuises(name: String) {
    #expect(!SysctlChange(name: name, before: "1", after: "0").isPlausible)
  }

  @Test func onlyFamiliesInUseAreChanged() {
    #expect(
      Forwarding.changes([.ipv4], sysctl, device: "guise0")
        == [SysctlChange(name: "net/ipv4/ip_forward", before: "0", after: "1")])
  }

  @Test func listenersToAdvertisementsAreSavedBeforeIPv6Forwards() {
    let changes = Forwarding.changes([.ipv6], sysctl, device: "guise0")
    #expect(
      changes == [
        SysctlChange(name: "net/ipv6/conf/default/accept_ra", before: "1", after: "2"),
        SysctlChange(name: "net/ipv6/conf/eth0/accept_ra", before: "1", after: "2"),
        SysctlChange(name: "net/ipv6/conf/all/forwarding", before: "0", after: "1"),
      ])
  }

  @Test func interfacesThatForwardedBeforeForwardAgainAfterwards() throws {
    try set("net/ipv4/conf/eth1.5/forwarding", "1")
    let changes = Forwarding.changes([.ipv4], sysctl, device: "guise0")
    try Forwarding.apply(changes, sysctl)
    #expect(sysctl.read("net/ipv4/ip_forward") == "1")

    #expect(Forwarding.undo(changes, sysctl).isEmpty)
    #expect(sysctl.read("net/ipv4/ip_forward") == "0")
    #expect(sysctl.read("net/ipv4/conf/eth1.5/forwarding") == "1")
  }

  @Test func whatSomebodyElseChangedSinceStays() throws {
    let changes = Forwarding.changes([.ipv6], sysctl, device: "guise0")
    try Forwarding.apply(changes, sysctl)
    try set("net/ipv6/conf/eth0/accept_ra", "0")
    #expect(Forwarding.undo(changes, sysctl).isEmpty)
    #expect(sysctl.read("net/ipv6/conf/eth0/accept_ra") == "0")
    #expect(sysctl.read("net/ipv6/conf/default/accept_ra") == "1")
    #expect(sysctl.read("net/ipv6/conf/all/forwarding") == "0")
  }

  @Test func aRefusalUndoesWhatWasDoneBefore() throws {
    let changes = [
      SysctlChange(name: "net/ipv4/ip_forward", before: "0", after: "1"),
      SysctlChange(name: "net/no/such", before: "0", after: "1"),
    ]
    #expect(throws: SetupError.sysctlRefused(name: "net/no/such", value: "1", errno: ENOENT)) {
      try Forwarding.apply(changes, sysctl)
    }
    #expect(sysctl.read("net/ipv4/ip_forward") == "0")
  }
}
