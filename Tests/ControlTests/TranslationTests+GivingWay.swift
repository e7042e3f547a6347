import Foundation
import Testing

@testable import Control

/// Where programs at tc give way to connection tracking: to rules of others, and where packets take other ways.
extension TranslationTests {
  /// Attaches a program that passes everything on to gcv0 before all filters, until the device goes: BPF_PROG_LOAD of
  /// `r0 = TCX_NEXT; exit`, and BPF_PROG_ATTACH with BPF_TCX_INGRESS (bpf(2), linux/bpf.h).
  private static let attachTCX = """
    python3 - <<'END'
    import ctypes, socket, struct
    def bpf(command, attributes):
        result = ctypes.CDLL(None).syscall(321, command, ctypes.create_string_buffer(attributes, 128), len(attributes))
        assert result >= 0
        return result
    code = ctypes.create_string_buffer(struct.pack("<BBhiBBhi", 0xb7, 0, 0, -1, 0x95, 0, 0, 0))
    license = ctypes.create_string_buffer(b"GPL")
    program = bpf(5, struct.pack("<IIQQ", 3, 2, ctypes.addressof(code), ctypes.addressof(license)))
    bpf(8, struct.pack("<IIII", socket.if_nametoindex("gcv0"), program, 46, 0))
    END
    """

  /// Rules of others that forwarded packets meet; each is a reason to track unless asked not to.
  @Test(arguments: [
    (
      "nft add rule inet mine forward ct state invalid drop", "the chain 'inet mine forward' is for forwarded"
    ),
    (
      "tc filter add dev gcv0 ingress bpf direct-action bytecode '1,6 0 0 4294967295,'",
      "gcv0 has filters for what comes in"
    ),
    (attachTCX, "gcv0 has programs for what comes in ('bpftool net show dev gcv0')"),
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
    #expect(asked.output.contains("guise's come after them") == (rule == Self.attachTCX))
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
    (attachTCX, "true", "gcv0 has programs for what comes in ('bpftool net show dev gcv0')"),
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
    if rule.contains("policy drop") {
      #expect(client.waits(for: "so that nothing will pass: nft insert rule inet mine forward"))
    }
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

  /// A server answers from the address that was asked only where it knows by the device which one that was.
  @Test(arguments: [
    (
      "ip link set gcv1 arp off; ip address add 10.8.0.1/32 dev gcv1", "10.8.0.1 is an address of gcv1, which"
    ),
    ("ip address add 203.0.113.7/25 dev gcv1", "gcv1 and gcv0 are on one network"),
    (
      "ip address add 198.51.100.1/24 dev gcv1; "
        + "ip route add default nexthop via 203.0.113.9 dev gcv0 nexthop via 198.51.100.9 dev gcv1",
      "the default route leads by several devices"
    ),
    (
      "for n in 1 2 3 4 5 6 7 8 9; do ip link add more$n type veth peer name end$n; ip link set more$n up; "
        + "ip address add 10.9.$n.1/24 dev more$n; done",
      "10 devices have addresses, more than there is room for"
    ),
  ])
  func aServerWhoseAnswersMayLeaveByAnotherDeviceTracks(change: String, reason: String) throws {
    let namespace = try NetworkNamespaceFixture("uplinks")
    _ = try namespace.run(["sh", "-c", change])
    let server = try GuiseProcess(namespace, Self.server + ["4567", "-4"])
    #expect(server.waits(for: "IPv4 addresses are translated by connection tracking, since \(reason)"))
    #expect(server.waits(for: "ready:") && server.status(after: SIGINT) == 0)
    try namespace.expectUntouched()
  }

  @Test func aClientWhoseRouteLeadsByTwoDevicesTracks() throws {
    let namespace = try NetworkNamespaceFixture("spread")
    try namespace.ip(["address", "add", "198.51.100.1/24", "dev", "gcv1"])
    let client = try GuiseProcess(namespace, Self.client + ["127.0.0.1:1234"])
    #expect(client.waits(for: "ready:") && client.output.contains("as 203.0.113.1 at tc on gcv0"))
    try namespace.ip([
      "route", "add", "203.0.113.9/32", "nexthop", "via", "203.0.113.10", "dev", "gcv0", "nexthop", "via",
      "198.51.100.9", "dev", "gcv1",
    ])
    // By the ports, as routers deal packets out.
    try namespace.setSysctl("net/ipv4/fib_multipath_hash_policy", "1")
    let applications = """
      import socket, time
      for _ in range(60):
          socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 1234)); time.sleep(0.05)
      """
    _ = try namespace.run(["python3", "-c", applications])
    #expect(client.waits(for: "IPv4 by connection tracking"))
    #expect(try namespace.filters("gcv0").isEmpty && namespace.filters("gcv1").isEmpty)
    #expect(client.status(after: SIGINT) == 0)
    let next = try GuiseProcess(namespace, Self.client + ["127.0.0.1:1234"])
    #expect(next.waits(for: "since the ways to the servers lead by several devices"))
    #expect(next.waits(for: "ready:") && next.status(after: SIGINT) == 0)
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
