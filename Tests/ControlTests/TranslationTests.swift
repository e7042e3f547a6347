import Foundation
import Testing

@testable import Control

/// Which way addresses are translated, on hosts that differ; for real, each in a namespace of its own.
@Suite(.serialized, .enabled(if: NetworkNamespaceFixture.isPossible))
struct TranslationTests {
  static let client = ["client", "--remote", "203.0.113.9:4567", "--local"]
  static let server = ["server", "--remote", "127.0.0.1:5678", "--local"]
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

  /// Names may come to mean the same server.
  @Test func clientsWhoseServersBecomeOneAreToldApart() throws {
    let namespace = try NetworkNamespaceFixture("same")
    try namespace.setHosts("203.0.113.9 a.example\n203.0.113.8 b.example\n")
    let (first, second) = (
      try GuiseProcess(namespace, ["client", "--remote", "a.example:4567", "--local", "127.0.0.1:1234"]),
      try GuiseProcess(namespace, ["client", "--remote", "b.example:4567", "--local", "127.0.0.1:1235"])
    )
    for client in [first, second] {
      #expect(client.waits(for: "ready:") && client.output.contains("at tc on gcv0"))
    }
    try namespace.setHosts("203.0.113.8 a.example b.example\n")
    let application = """
      import socket, time
      program = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
      for _ in range(20): program.sendto(b"x", ("127.0.0.1", 1234)); time.sleep(0.5)
      """
    _ = try namespace.run(["python3", "-c", application])
    #expect(first.waits(for: "on this host goes there already: IPv4 by connection tracking"))
    #expect(try namespace.ruleset.contains("masquerade to :57344-65535"))
    #expect(second.status(after: SIGINT) == 0 && first.status(after: SIGINT) == 0)
    try namespace.expectUntouched()
  }

  @Test func aClientThatIsTakenOverFromKeepsItsPortsBesideOthers() throws {
    let namespace = try NetworkNamespaceFixture("beside")
    let first = try GuiseProcess(namespace, Self.client + ["127.0.0.1:1234"])
    #expect(first.waits(for: "ready:") && first.output.contains("at tc on gcv0"))
    let second = try GuiseProcess(namespace, Self.client + ["127.0.0.1:1235"])
    #expect(second.waits(for: "ready:") && second.output.contains("since guise0 on this host goes to"))
    let next = try GuiseProcess(namespace, Self.client + ["127.0.0.1:1234", "--takeover"])
    #expect(next.waits(for: "ready:") && next.output.contains("firewall: IPv4 as 203.0.113.1 at tc on gcv0"))
    #expect(first.status() == 0)
    // One that is killed leaves the ports to whoever comes next.
    next.send(SIGKILL)
    _ = next.status()
    let last = try GuiseProcess(namespace, Self.client + ["127.0.0.1:1234"])
    #expect(last.waits(for: "ready:") && last.output.contains("since guise1 on this host goes to"))
    #expect(second.status(after: SIGINT) == 0 && last.status(after: SIGINT) == 0)
    try namespace.expectUntouched()
  }

  @Test func serversOfPartOfAPortAreWarnedOfEachOther() throws {
    let namespace = try NetworkNamespaceFixture("overlap")
    let server = try GuiseProcess(namespace, Self.server + ["4567"])
    #expect(server.waits(for: "ready:"))
    let other = try GuiseProcess(namespace, Self.server + ["203.0.113.1:4567"])
    #expect(other.waits(for: "ready:") && other.output.contains("serves TCP 4567 as well (device guise0)"))
    let third = try GuiseProcess(namespace, Self.server + ["203.0.113.1:4568"])
    #expect(third.waits(for: "ready:") && !third.output.contains("as well"))
    let check = try namespace.run(["sh", "-c", "\(GuiseProcess.path) check --serve 4567; true"])
    #expect(check.contains("of guise serves TCP 4567 already"))
    for process in [third, other, server] { #expect(process.status(after: SIGINT) == 0) }
    try namespace.expectUntouched()
  }

  @Test func aGatewayDoesNotLeaveToASuccessorThatHasGone() throws {
    let namespace = try NetworkNamespaceFixture("gone")
    let client = try GuiseProcess(namespace, Self.client + ["127.0.0.1:1234"])
    #expect(client.waits(for: "ready:"))
    // It looks at the signal when the process that sent it has ended.
    client.send(SIGSTOP)
    _ = try namespace.run(["sh", "-c", "kill -USR2 \(client.processID)"])
    client.send(SIGCONT)
    #expect(client.waits(for: "which has gone: going on"))
    usleep(300_000)
    #expect(client.status(after: SIGINT) == 0)
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
}
