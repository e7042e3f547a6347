import DataPlane
import Foundation
import Testing

@testable import Control

/// What programs at tc translate, how they are put back, and what they leave.
extension TranslationTests {
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

  /// Sends a SYN to gcv0 behind a tag of VLAN 0, with a priority, by way of the link's other end.
  private static let sendWithPriority = """
    import socket, struct
    def sum(data):
        total = sum_(struct.unpack("!%dH" % (len(data) // 2), data))
        while total >> 16: total = (total & 0xffff) + (total >> 16)
        return struct.pack("!H", ~total & 0xffff)
    sum_ = __builtins__.sum
    device = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    device.bind(("gcv1", 0))
    target = bytes.fromhex(open("/sys/class/net/gcv0/address").read().strip().replace(":", ""))
    ends = socket.inet_aton("203.0.113.7") + socket.inet_aton("203.0.113.1")
    tcp = struct.pack("!HHIIBBHHH", 40000, 4567, 7, 0, 5 << 4, 2, 65535, 0, 0)
    tcp = tcp[:16] + sum(ends + struct.pack("!HH", 6, len(tcp)) + tcp) + tcp[18:]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0) + ends
    ip = ip[:10] + sum(ip) + ip[12:]
    device.send(target + device.getsockname()[4] + struct.pack("!HHH", 0x8100, 3 << 13, 0x0800) + ip + tcp)
    """

  @Test func aTagThatSaysAPriorityAloneIsNone() throws {
    let namespace = try NetworkNamespaceFixture("priority")
    let server = try GuiseProcess(namespace, Self.server + ["4567", "-4", "--firewall", "tc"])
    #expect(server.waits(for: "ready:"))
    _ = try namespace.run(["python3", "-c", Self.sendWithPriority])
    var table = ""
    let isAnswered = Patience.wait(milliseconds: 5_000, step: 200) {
      table = (try? namespace.run(GuiseProcess.command + ["status"])) ?? ""
      return table.contains(", 2 packets at tc")
    }
    #expect(isAnswered, "\(table)")
    #expect(server.status(after: SIGINT) == 0)
    try namespace.expectUntouched()
  }

  /// Whose the queueing discipline is, the next process knows, too, whether the first was killed or replaced.
  @Test(arguments: [true, false], [true, false])
  func aQueueingDisciplineThatWasThereOutlivesAllProcesses(wasThere: Bool, isKilled: Bool) throws {
    let namespace = try NetworkNamespaceFixture("clsact")
    if wasThere { _ = try namespace.run(["tc", "qdisc", "add", "dev", "gcv0", "clsact"]) }
    let first = try GuiseProcess(namespace, Self.client + ["127.0.0.1:1234"])
    #expect(first.waits(for: "ready:") && first.output.contains("at tc on gcv0"))
    // Somebody takes the filter away, and it is made anew.
    _ = try namespace.run(["tc", "filter", "del", "dev", "gcv0", "ingress"])
    #expect(first.waits(for: "somebody has removed the programs at tc: restored"))
    if isKilled {
      first.send(SIGKILL)
      _ = first.status()
    }
    let next = try GuiseProcess(namespace, Self.client + ["127.0.0.1:1234", "--takeover"])
    #expect(next.waits(for: "ready:") && next.output.contains("at tc on gcv0"))
    #expect(next.status(after: SIGINT) == 0)
    #expect(try namespace.run(["tc", "qdisc", "show", "dev", "gcv0"]).contains("clsact") == wasThere)
    if wasThere { _ = try namespace.run(["tc", "qdisc", "del", "dev", "gcv0", "clsact"]) }
    try namespace.expectUntouched()
  }

  @Test func aFilterThatIsRefusedLeavesNoQueueingDiscipline() throws {
    let device = try TunDevice.create(
      name: "gcrefuse%d", queueCount: 1, mtu: 1_500, transmitQueueLength: 500, offload: false)
    defer { device.close() }
    let filters = IngressFilters(device: unsafe if_nametoindex(device.name))
    let error = #expect(throws: KernelError.self) {
      try filters.attach(1 << 20, "guise_inward_test", ownedClsact: false)
    }
    #expect(error?.operation == "RTM_NEWTFILTER of guise_inward_test")
    let shown = try ChildProcess.run("/usr/sbin/tc", ["qdisc", "show", "dev", device.name])
    #expect(shown.status == 0 && !shown.output.contains("clsact"))
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

  @Test func whatWasRestoredIsTakenAwayAtTheEnd() throws {
    let namespace = try NetworkNamespaceFixture("again")
    let client = try GuiseProcess(namespace, Self.client + ["127.0.0.1:1234"])
    #expect(client.waits(for: "ready:") && client.output.contains("at tc on gcv0"))
    _ = try namespace.run(["tc", "filter", "del", "dev", "gcv0", "ingress"])
    #expect(client.waits(for: "somebody has removed the programs at tc: restored"))
    #expect(client.status(after: SIGINT) == 0)
    try namespace.expectUntouched()
  }
}
