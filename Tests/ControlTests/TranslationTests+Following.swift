import Foundation
import Testing

@testable import Control

/// Addresses, devices and routes that programs at tc follow.
extension TranslationTests {
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

  /// As temporary addresses give way to new ones (RFC 8981).
  @Test func aClientKeepsAnIPv6AddressUntilItIsGone() throws {
    let namespace = try NetworkNamespaceFixture("temporary")
    let client = try GuiseProcess(
      namespace, ["client", "--remote", "[2001:db8::9]:4567", "--local", "127.0.0.1:1234"])
    #expect(client.waits(for: "ready:") && client.output.contains("IPv6 as 2001:db8::1 at tc on gcv0"))
    try namespace.ip(["address", "add", "2001:db8::5/64", "dev", "gcv0", "nodad"])
    try namespace.ip(["address", "change", "2001:db8::1/64", "dev", "gcv0", "preferred_lft", "0"])
    #expect(try namespace.ip(["route", "get", "2001:db8::9"]).contains("src 2001:db8::5"))
    usleep(2_500_000)
    #expect(!client.output.contains("changed"))
    try namespace.ip(["address", "del", "2001:db8::1/64", "dev", "gcv0"])
    #expect(client.waits(for: "the host's addresses have changed: IPv6 as 2001:db8::5 at tc on gcv0"))
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
}
