import Foundation
import Testing

@testable import Control

/// Which way addresses are translated, on hosts that differ; for real, each in a namespace of its own.
@Suite(.serialized, .enabled(if: NetworkNamespaceFixture.isPossible))
struct TranslationTests {
  private static let client = ["client", "--remote", "203.0.113.9:4567", "--local"]
  private static let server = ["server", "--remote", "127.0.0.1:5678", "--local"]
  private static let statelessClient = "ip saddr 192.168.200.2 ip saddr set 203.0.113.1"
  private static let statelessServer =
    "ip daddr 203.0.113.1 tcp dport 4567 notrack ip daddr set 192.168.201.2"

  @Test func withoutTrackingAClientMakesTheKernelTrackNothingAtAll() throws {
    let namespace = try NetworkNamespaceFixture("stateless")
    let client = try GuiseProcess(namespace, Self.client + ["127.0.0.1:1234", "--firewall", "stateless"])
    #expect(client.waits(for: "ready:"))
    #expect(client.output.contains("IPv4 as 203.0.113.1 past connection tracking"))
    #expect(try namespace.ruleset.contains(Self.statelessClient))
    #expect(try !namespace.ruleset.contains("ct state") && !namespace.ruleset.contains("type nat"))
    #expect(client.status(after: SIGINT) == 0)
    try namespace.expectUntouched()
  }

  @Test func aServerAnswersFromOneAddress() throws {
    let namespace = try NetworkNamespaceFixture("several")
    let stateless = ["--firewall", "stateless"]
    let both = try GuiseProcess(namespace, Self.server + ["4567"] + stateless)
    #expect(both.waits(for: "ready:"))
    #expect(both.output.contains("IPv4 as 203.0.113.1 past connection tracking, IPv6 as 2001:db8::1 past"))
    #expect(try namespace.ruleset.contains(Self.statelessServer))
    #expect(both.status(after: SIGINT) == 0)

    try namespace.ip(["address", "add", "203.0.113.2/24", "dev", "gcv0"])
    let refused = try GuiseProcess(namespace, Self.server + ["4567", "-4"] + stateless)
    #expect(refused.status() == 1)
    #expect(
      refused.output.contains("answers could leave from several addresses (203.0.113.1, 203.0.113.2)"))

    let one = try GuiseProcess(namespace, Self.server + ["203.0.113.1:4567"] + stateless)
    #expect(one.waits(for: "ready: TCP 203.0.113.1:4567 -> UDP 127.0.0.1:5678"))
    #expect(try namespace.ruleset.contains(Self.statelessServer))
    #expect(one.status(after: SIGINT) == 0)

    let missing = try GuiseProcess(namespace, Self.server + ["203.0.113.77:4567"])
    #expect(missing.status() == 1)
    #expect(missing.output.contains("this host has no address 203.0.113.77 that others reach"))
    try namespace.expectUntouched()
  }

  @Test func oneAddressMayBeServedByTrackingToo() throws {
    let namespace = try NetworkNamespaceFixture("one")
    let server = try GuiseProcess(namespace, Self.server + ["203.0.113.1:4567", "--firewall", "tracked"])
    #expect(server.waits(for: "ready: TCP 203.0.113.1:4567"))
    #expect(server.output.contains("IPv4 by connection tracking") && !server.output.contains("IPv6"))
    #expect(try namespace.ruleset.contains("ip daddr 203.0.113.1 tcp dport 4567 dnat ip to 192.168.201.2"))
    #expect(server.status(after: SIGINT) == 0)
    try namespace.expectUntouched()
  }

  @Test func aFurtherClientOfTheSameServerGetsPortsOfItsOwn() throws {
    let namespace = try NetworkNamespaceFixture("further")
    let first = try GuiseProcess(namespace, Self.client + ["127.0.0.1:1234", "--firewall", "stateless"])
    #expect(first.waits(for: "ready:"))
    let further = try GuiseProcess(namespace, Self.client + ["127.0.0.1:1235"])
    #expect(further.waits(for: "ready:"))
    #expect(try namespace.ruleset.contains("masquerade to :57344-65535"))
    let refused = try GuiseProcess(namespace, Self.client + ["127.0.0.1:1236", "--firewall", "stateless"])
    #expect(refused.status() == 1)
    #expect(refused.output.contains("goes to 203.0.113.9:4567 already"))
    #expect(further.status(after: SIGINT) == 0)
    #expect(first.status(after: SIGINT) == 0)
    try namespace.expectUntouched()
  }

  @Test func rulesFollowTheHostsAddress() throws {
    let namespace = try NetworkNamespaceFixture("moving")
    let stateless = ["--firewall", "stateless"]
    let client = try GuiseProcess(namespace, Self.client + ["127.0.0.1:1234"] + stateless)
    let server = try GuiseProcess(namespace, Self.server + ["4567", "-4"] + stateless)
    #expect(client.waits(for: "ready:") && server.waits(for: "ready:"))

    // For a moment there is no address, which changes nothing.
    try namespace.ip(["address", "del", "203.0.113.1/24", "dev", "gcv0"])
    usleep(1_500_000)
    #expect(try namespace.ruleset.contains(Self.statelessClient))
    try namespace.ip(["address", "add", "203.0.113.5/24", "dev", "gcv0"])
    for process in [client, server] {
      #expect(process.waits(for: "addresses have changed: IPv4 as 203.0.113.5 past connection tracking"))
    }
    #expect(try namespace.ruleset.contains("ip saddr 192.168.200.2 ip saddr set 203.0.113.5"))
    #expect(try namespace.ruleset.contains("ip daddr 203.0.113.5 tcp dport 4567 notrack"))
    #expect(client.status(after: SIGINT) == 0)
    #expect(server.status(after: SIGINT) == 0)
    try namespace.expectUntouched()
  }

  // MARK: - At tc

  @Test func withNobodyElsesRulesPacketsAreTranslatedAtTC() throws {
    let namespace = try NetworkNamespaceFixture("tc")
    // Chains that do nothing are nobody's rules, and nor are those for what the host itself receives.
    _ = try namespace.run([
      "nft",
      "add table inet filter; add chain inet filter forward { type filter hook forward priority 0; policy accept; }; "
        + "add chain inet filter input { type filter hook input priority 0; policy drop; }; "
        + "add rule inet filter input iif lo accept",
    ])
    let client = try GuiseProcess(namespace, Self.client + ["127.0.0.1:1234"])
    #expect(client.waits(for: "ready:"))
    #expect(client.output.contains("firewall: IPv4 as 203.0.113.1 at tc on gcv0"))
    let server = try GuiseProcess(namespace, Self.server + ["4567", "--firewall", "tc"])
    #expect(server.waits(for: "ready:"))
    #expect(
      server.output.contains("IPv4 as 203.0.113.1 at tc on gcv0, IPv6 as 2001:db8::1 at tc on gcv0"))
    #expect(try !namespace.ruleset.contains("guise"))
    for name in ["guise_inward_guise0", "guise_inward_guise1"] {
      #expect(try namespace.filters("gcv0").contains(name))
    }
    #expect(try namespace.filters("guise1").contains("guise_outward_guise1"))
    #expect(client.status(after: SIGINT) == 0)
    #expect(server.status(after: SIGINT) == 0)
    _ = try namespace.run(["nft", "delete table inet filter"])
    try namespace.expectUntouched()
  }

  /// Rules of others that forwarded packets meet; each is a reason to track unless asked not to.
  @Test(arguments: [
    (
      "nft add rule inet mine forward ct state invalid drop", "the chain 'inet mine forward' is for forwarded"
    ),
    (
      "tc filter add dev gcv0 ingress bpf direct-action bytecode '1,6 0 0 4294967295,'",
      "gcv0 has filters for what comes in"
    ),
    (
      "ip xfrm policy add dir out src 10.0.0.0/8 dst 10.0.0.0/8 tmpl proto esp mode tunnel",
      "policies of IPsec"
    ),
  ])
  func othersRulesAreNotPassedByUnasked(rule: String, reason: String) throws {
    let namespace = try NetworkNamespaceFixture("others")
    _ = try namespace.run([
      "nft", "add table inet mine; add chain inet mine forward { type filter hook forward priority 0; }",
    ])
    _ = try namespace.run(["tc", "qdisc", "add", "dev", "gcv0", "clsact"])
    _ = try namespace.run(["sh", "-c", rule])
    let client = try GuiseProcess(namespace, Self.client + ["127.0.0.1:1234"])
    #expect(client.waits(for: "IPv4 by connection tracking"))
    #expect(client.output.contains("by connection tracking, since") && client.output.contains(reason))
    #expect(client.waits(for: "ready:") && client.status(after: SIGINT) == 0)

    let asked = try GuiseProcess(namespace, Self.client + ["127.0.0.1:1234", "--firewall", "tc"])
    #expect(asked.waits(for: "IPv4 as 203.0.113.1 at tc on gcv0"))
    #expect(asked.output.contains("pass the chain 'inet mine forward' by, as asked") == rule.hasPrefix("nft"))
    #expect(asked.waits(for: "ready:") && asked.status(after: SIGINT) == 0)
    // What others have there stays.
    #expect(try namespace.run(["tc", "qdisc", "show", "dev", "gcv0"]).contains("clsact"))
    #expect(try namespace.filters("gcv0").contains("bytecode") == rule.hasPrefix("tc"))
    #expect(try !namespace.filters("gcv0").contains("guise"))
  }

  @Test(arguments: [
    (
      "nft 'add table inet mine; add chain inet mine forward { type filter hook forward priority 0; policy drop; }'",
      "nft delete table inet mine", "the chain 'inet mine forward' is for forwarded packets as well"
    ),
    (
      "tc filter add dev gcv0 ingress bpf direct-action bytecode '1,6 0 0 4294967295,'",
      "tc qdisc delete dev gcv0 clsact",
      "gcv0 has filters for what comes in ('tc filter show dev gcv0 ingress')"
    ),
    (
      "ip xfrm policy add dir fwd src 10.0.0.0/8 dst 10.0.0.0/8 tmpl proto esp mode tunnel",
      "ip xfrm policy flush", "the host has policies of IPsec ('ip xfrm policy')"
    ),
  ])
  func rulesOfOthersThatComeLaterAreGivenWayTo(rule: String, undo: String, reason: String) throws {
    let namespace = try NetworkNamespaceFixture("later")
    let client = try GuiseProcess(namespace, Self.client + ["127.0.0.1:1234"])
    #expect(client.waits(for: "ready:") && client.output.contains("at tc on gcv0"))
    _ = try namespace.run(["sh", "-c", rule])
    #expect(client.waits(for: "\(reason): IPv4 by connection tracking"))
    let filters = try namespace.filters("gcv0")
    #expect(try namespace.ruleset.contains("masquerade") && filters.isEmpty == !rule.hasPrefix("tc"))
    #expect(!filters.contains("guise"))
    #expect(client.status(after: SIGINT) == 0)
    _ = try namespace.run(["sh", "-c", undo])
    try namespace.expectUntouched()
  }

  @Test func aServerWithSeveralAddressesTracksAndOneThatGetsASecondTurnsToIt() throws {
    let namespace = try NetworkNamespaceFixture("second")
    let server = try GuiseProcess(namespace, Self.server + ["4567", "-4"])
    #expect(server.waits(for: "ready:") && server.output.contains("IPv4 as 203.0.113.1 at tc on gcv0"))
    try namespace.ip(["address", "add", "203.0.113.2/24", "dev", "gcv0"])
    #expect(server.waits(for: "addresses have changed: IPv4 by connection tracking"))
    #expect(try namespace.ruleset.contains("dnat ip to 192.168.201.2"))
    #expect(server.status(after: SIGINT) == 0)
    let next = try GuiseProcess(namespace, Self.server + ["4567", "-4"])
    #expect(next.waits(for: "answers could leave from several addresses"))
    #expect(next.waits(for: "IPv4 by connection tracking") && next.status(after: SIGINT) == 0)
    let asked = try GuiseProcess(namespace, Self.server + ["4567", "-4", "--firewall", "tc"])
    #expect(asked.status() == 1 && asked.output.contains("'--firewall tc' is impossible for IPv4"))
    try namespace.expectUntouched()
  }

  @Test func programsFollowAnAddressOnTheirDevice() throws {
    let namespace = try NetworkNamespaceFixture("follow")
    let server = try GuiseProcess(namespace, Self.server + ["4567"])
    #expect(server.waits(for: "ready:"))
    try namespace.ip(["address", "del", "203.0.113.1/24", "dev", "gcv0"])
    try namespace.ip(["address", "del", "2001:db8::1/64", "dev", "gcv0"])
    try namespace.ip(["address", "add", "203.0.113.5/24", "dev", "gcv0"])
    #expect(
      server.waits(for: "changed: IPv4 as 203.0.113.5 at tc on gcv0, IPv6 as 2001:db8::1 at tc on gcv0"))
    try namespace.ip(["address", "add", "2001:db8::5/64", "dev", "gcv0", "nodad"])
    #expect(server.waits(for: "IPv6 as 2001:db8::5 at tc on gcv0"))
    #expect(server.status(after: SIGINT) == 0)
  }

  @Test func eachDeviceOfAServerMayHaveAnAddress() throws {
    let namespace = try NetworkNamespaceFixture("devices")
    try namespace.ip(["address", "add", "198.51.100.1/24", "dev", "gcv1"])
    try namespace.addDefaultRoute()
    let server = try GuiseProcess(namespace, Self.server + ["4567", "-4"])
    #expect(server.waits(for: "ready:"))
    #expect(server.output.contains("IPv4 as 203.0.113.1 at tc on gcv0, as 198.51.100.1 on gcv1"))
    #expect(try namespace.ruleset.contains("ip daddr 198.51.100.1 tcp dport 4567 ip daddr set 192.168.201.2"))
    try namespace.ip(["address", "del", "198.51.100.1/24", "dev", "gcv1"])
    try namespace.ip(["address", "add", "10.7.0.1/24", "dev", "gcv1"])
    #expect(server.waits(for: "changed: IPv4 as 203.0.113.1 at tc on gcv0, as 10.7.0.1 on gcv1"))
    // One that packets come to by any device cannot have rules of its own.
    try namespace.ip(["address", "add", "10.8.0.1/32", "dev", "lo"])
    #expect(server.waits(for: "changed: IPv4 by connection tracking"))
    #expect(server.status(after: SIGINT) == 0)
    try namespace.expectUntouched()
  }

  @Test func programsThatAreTakenAwayAreRestored() throws {
    let namespace = try NetworkNamespaceFixture("restored")
    let client = try GuiseProcess(namespace, Self.client + ["127.0.0.1:1234"])
    #expect(client.waits(for: "ready:") && client.output.contains("at tc on gcv0"))
    _ = try namespace.run(["tc", "qdisc", "del", "dev", "gcv0", "clsact"])
    #expect(client.waits(for: "somebody has removed the programs at tc: restored"))
    #expect(try namespace.filters("gcv0").contains("guise_inward_guise0"))

    // A device that comes back as another.
    try namespace.ip(["link", "del", "gcv0"])
    usleep(1_500_000)
    for arguments in [
      ["link", "add", "gcv0", "type", "veth", "peer", "name", "gcv1"],
      ["address", "add", "203.0.113.1/24", "dev", "gcv0"], ["link", "set", "gcv0", "up"],
      ["link", "set", "gcv1", "up"],
    ] { try namespace.ip(arguments) }
    var filters = ""
    for _ in 0..<50 where !filters.contains("guise_inward_guise0") {
      usleep(100_000)
      filters = try namespace.filters("gcv0")
    }
    #expect(filters.contains("guise_inward_guise0"))
    #expect(client.status(after: SIGINT) == 0)
    try namespace.expectUntouched()
  }

  @Test func aClientFollowsItsRouteToAnotherDevice() throws {
    let namespace = try NetworkNamespaceFixture("route")
    let client = try GuiseProcess(namespace, Self.client + ["127.0.0.1:1234"])
    #expect(client.waits(for: "ready:") && client.output.contains("as 203.0.113.1 at tc on gcv0"))
    try namespace.ip(["address", "add", "198.51.100.1/24", "dev", "gcv1"])
    try namespace.ip(["route", "add", "203.0.113.9/32", "via", "198.51.100.9", "dev", "gcv1"])
    #expect(client.waits(for: "changed: IPv4 as 198.51.100.1 at tc on gcv1"))
    #expect(try namespace.filters("gcv1").contains("guise_inward_guise0"))
    #expect(try namespace.filters("gcv0").isEmpty)
    #expect(client.status(after: SIGINT) == 0)
    try namespace.expectUntouched()
  }

  @Test func aHostThatHasNoAddressYetIsServedAtTCOnceItHas() throws {
    let namespace = try NetworkNamespaceFixture("early")
    for address in ["203.0.113.1/24", "2001:db8::1/64"] {
      try namespace.ip(["address", "del", address, "dev", "gcv0"])
    }
    let server = try GuiseProcess(namespace, Self.server + ["4567"])
    #expect(server.waits(for: "ready:") && server.output.contains("IPv4 not yet, for want of an address"))
    try namespace.ip(["address", "add", "203.0.113.7/24", "dev", "gcv0"])
    #expect(server.waits(for: "IPv4 as 203.0.113.7 at tc on gcv0"))
    #expect(try namespace.filters("gcv0").contains("guise_inward_guise0"))
    #expect(server.status(after: SIGINT) == 0)
    try namespace.expectUntouched()
  }

  @Test func anAddressThatComesLaterIsServed() throws {
    let namespace = try NetworkNamespaceFixture("late")
    try namespace.ip(["address", "del", "2001:db8::1/64", "dev", "gcv0"])
    let server = try GuiseProcess(namespace, Self.server + ["4567"])
    #expect(server.waits(for: "ready:"))
    #expect(server.output.contains("at tc on gcv0, IPv6 not yet, for want of an address"))
    try namespace.ip(["address", "add", "2001:db8::7/64", "dev", "gcv0", "nodad"])
    #expect(server.waits(for: "IPv6 as 2001:db8::7 at tc on gcv0"))
    #expect(server.status(after: SIGINT) == 0)
    try namespace.expectUntouched()
  }

  @Test func withoutTheCapabilityOrALinkHeaderFlowsAreTracked() throws {
    let namespace = try NetworkNamespaceFixture("lacking")
    try namespace.ip(["tuntap", "add", "dev", "tun7", "mode", "tun"])
    try namespace.ip(["link", "set", "tun7", "up"])
    try namespace.ip(["route", "add", "198.51.100.7/32", "dev", "tun7", "src", "203.0.113.1"])
    let client = try GuiseProcess(
      namespace, ["client", "--local", "127.0.0.1:1234", "--remote", "198.51.100.7:4567"])
    #expect(client.waits(for: "since tun7 has no link-layer header"))
    #expect(client.waits(for: "ready:") && client.status(after: SIGINT) == 0)

    let poor = try GuiseProcess(
      namespace, Self.client + ["127.0.0.1:1234"], under: ["setpriv", "--bounding-set=-bpf,-sys_admin"])
    #expect(poor.waits(for: "Operation not permitted (errno 1)): CAP_BPF lets it"))
    #expect(poor.waits(for: "ready:") && poor.status(after: SIGINT) == 0)
    // What systemd's unit grants is enough.
    let enough = try GuiseProcess(
      namespace, Self.client + ["127.0.0.1:1234"],
      under: ["setpriv", "--bounding-set=-sys_admin,-perfmon,-net_raw,-sys_resource"])
    #expect(enough.waits(for: "at tc on gcv0"))
    #expect(enough.waits(for: "ready:") && enough.status(after: SIGINT) == 0)
  }
}
