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
    let server = try GuiseProcess(namespace, Self.server + ["203.0.113.1:4567"])
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
}
