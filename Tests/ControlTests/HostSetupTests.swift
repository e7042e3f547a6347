import Foundation
import Testing

@testable import Control

/// Set-up and tear-down for real, each in a namespace of its own.
@Suite(.serialized, .enabled(if: NetworkNamespaceFixture.isPossible))
struct HostSetupTests {
  private static let client = ["client", "--local", "127.0.0.1:1234", "--remote", "203.0.113.9:4567"]
  private static let server = ["server", "--local", "4567", "--remote", "127.0.0.1:5678"]

  @Test func aClientSetsTheHostUpAndPutsItBack() throws {
    let namespace = try NetworkNamespaceFixture("client")
    let guise = try GuiseProcess(namespace, Self.client + ["--workers", "2", "--firewall", "tracked"])
    #expect(guise.waits(for: "ready: UDP 127.0.0.1:1234 -> TCP 203.0.113.9:4567"))

    let address = try namespace.ip(["address", "show", "dev", "guise0"])
    #expect(address.contains("inet 192.168.200.1 peer 192.168.200.2/32"))
    #expect(address.contains("mtu 1492") && address.contains("qlen 4096"))
    // The remote is IPv4: nothing else is touched, and no link-local address appears.
    #expect(!address.contains("inet6"))
    #expect(try namespace.sysctl("net/ipv4/ip_forward") == "1")
    #expect(try namespace.sysctl("net/ipv6/conf/all/forwarding") == "0")
    #expect(try namespace.ruleset.contains("oifname != \"guise0\" ip saddr 192.168.200.2 masquerade"))
    #expect(
      namespace.records == [
        "\(namespace.inode)-client-127.0.0.1:1234.flows", "\(namespace.inode)-guise0.json",
        "\(namespace.inode)-guise0.sock", "\(namespace.inode).shared.json",
      ])
    #expect(guise.output.contains("largest datagram that fits: 1452 bytes over IPv4"))

    #expect(guise.status(after: SIGINT) == 0)
    #expect(guise.output.contains("datagrams in"))
    try namespace.expectUntouched()
  }

  @Test func aServerServesBothFamilies() throws {
    let namespace = try NetworkNamespaceFixture("server")
    try namespace.setSysctl("net/ipv6/conf/default/disable_ipv6", "1")
    let guise = try GuiseProcess(namespace, Self.server + ["--tun", "front", "--firewall", "tracked"])
    #expect(guise.waits(for: "ready: TCP port 4567 -> UDP 127.0.0.1:5678"))

    let address = try namespace.ip(["address", "show", "dev", "front"])
    #expect(address.contains("inet 192.168.201.1 peer 192.168.201.2/32"))
    #expect(address.contains("inet6 fcc9::1 peer fcc9::2/128"))
    #expect(!address.contains("tentative") && !address.contains("MULTICAST"))
    #expect(try namespace.sysctl("net/ipv6/conf/all/forwarding") == "1")
    #expect(try namespace.sysctl("net/ipv6/conf/gcv0/accept_ra") == "2")
    #expect(try namespace.ruleset.contains("tcp dport 4567 dnat ip6 to fcc9::2"))
    for peer in ["192.168.201.2", "fcc9::2"] {
      #expect(try namespace.ip(["route", "get", peer]).contains("dev front"))
    }

    #expect(guise.status(after: SIGTERM) == 0)
    #expect(!namespace.hasDevice("front"))
    try namespace.expectUntouched()
  }

  @Test func anIPv6RemoteIsAllThatAClientNeeds() throws {
    let namespace = try NetworkNamespaceFixture("six")
    let guise = try GuiseProcess(
      namespace,
      ["client", "--local", "[::]:1234", "--remote", "[2001:db8::9]:4567", "--firewall", "tracked"])
    #expect(guise.waits(for: "ready:"))
    let address = try namespace.ip(["address", "show", "dev", "guise0"])
    #expect(address.contains("inet6 fcc8::1 peer fcc8::2/128") && !address.contains("inet "))
    #expect(try namespace.ruleset.contains("ip6 saddr fcc8::2 masquerade"))
    #expect(try namespace.sysctl("net/ipv4/ip_forward") == "0")
    #expect(guise.status(after: SIGHUP) == 0)
    try namespace.expectUntouched()
  }

  @Test(arguments: [false, true], ["tracked", "tc"])
  func whatAKilledProcessLeftIsCleanedUp(byTheNextStart: Bool, firewall: String) throws {
    let namespace = try NetworkNamespaceFixture("killed\(byTheNextStart)")
    let killed = try GuiseProcess(namespace, Self.server + ["--firewall", firewall])
    #expect(killed.waits(for: "ready:"))
    #expect(killed.status(after: SIGKILL) == 128 + SIGKILL)
    let isAtTC = firewall == "tc"
    #expect(try namespace.filters("gcv0").contains("guise_inward_guise0") == isAtTC)
    #expect(try namespace.ruleset.contains("table inet guise_guise0") != isAtTC)
    #expect(try namespace.sysctl("net/ipv6/conf/gcv0/accept_ra") == "2")
    // Kept for the same end's next process. There are no flows that it would have to be spared for.
    #expect(namespace.hasDevice("guise0"))

    if byTheNextStart {
      let next = try GuiseProcess(namespace, Self.client + ["--tun", "other"])
      #expect(next.waits(for: "ready:"))
      #expect(next.output.contains("cleaning up after process"))
      #expect(!namespace.hasDevice("guise0"))
      #expect(try !namespace.ruleset.contains("guise_guise0"))
      #expect(try namespace.sysctl("net/ipv4/ip_forward") == "1")
      #expect(try namespace.sysctl("net/ipv6/conf/all/forwarding") == "0")
      #expect(next.status(after: SIGINT) == 0)
    } else {
      #expect(try GuiseProcess(namespace, ["cleanup"]).status() == 0)
    }
    try namespace.expectUntouched()
  }

  @Test func theLastOfTwoSwitchesForwardingOff() throws {
    let namespace = try NetworkNamespaceFixture("two")
    let first = try GuiseProcess(namespace, Self.server)
    #expect(first.waits(for: "ready:"))
    let second = try GuiseProcess(namespace, Self.client)
    #expect(second.waits(for: "ready:"))
    #expect(namespace.hasDevice("guise0") && namespace.hasDevice("guise1"))

    #expect(first.status(after: SIGINT) == 0)
    #expect(try namespace.sysctl("net/ipv4/ip_forward") == "1")
    #expect(try namespace.filters("gcv0").contains("guise_inward_guise1"))
    #expect(try !namespace.filters("gcv0").contains("guise0"))
    // Nor does a clean-up take away what the second one needs.
    #expect(try GuiseProcess(namespace, ["cleanup"]).status() == 0)
    #expect(try namespace.sysctl("net/ipv4/ip_forward") == "1")

    #expect(second.status(after: SIGINT) == 0)
    try namespace.expectUntouched()
  }

  @Test func takenDefaultsMoveAside() throws {
    let namespace = try NetworkNamespaceFixture("taken")
    try namespace.ip(["address", "add", "192.168.200.77/24", "dev", "gcv0"])
    let guise = try GuiseProcess(namespace, Self.client)
    #expect(guise.waits(for: "ready:"))
    #expect(guise.output.contains("the usual IPv4 addresses are taken on this host: using 192.168.202.1"))
    #expect(guise.status(after: SIGINT) == 0)
    try namespace.expectUntouched()
  }

  @Test func theFirewallStaysAloneWhenAskedTo() throws {
    let namespace = try NetworkNamespaceFixture("off")
    let guise = try GuiseProcess(namespace, Self.client + ["--firewall", "off", "--offload", "off"])
    #expect(guise.waits(for: "ready:"))
    #expect(try namespace.ruleset.isEmpty)
    #expect(guise.output.contains("offload off"))
    #expect(guise.status(after: SIGINT) == 0)
    try namespace.expectUntouched()
  }

  @Test func signalsShowTheCountersAndOperatorsSeeTrouble() throws {
    let namespace = try NetworkNamespaceFixture("signals")
    _ = try namespace.run([
      "nft",
      "add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }",
    ])
    let guise = try GuiseProcess(namespace, Self.client)
    #expect(guise.waits(for: "ready:"))
    #expect(guise.output.contains("the chain 'ip filter FORWARD' drops forwarded packets from"))
    #expect(!guise.output.contains("flows opened"))
    guise.send(SIGUSR1)
    #expect(guise.waits(for: "stale-completion"))
    #expect(guise.status(after: SIGINT) == 0)
    #expect(try namespace.ruleset.contains("FORWARD"))
  }

  /// Each refusal comes before anything is changed.
  @Test(arguments: [
    (["client", "--local", "127.0.0.1:1234", "--remote", "127.0.0.1:4567"], "is a loopback address"),
    (["client", "--local", "192.0.2.5:1234", "--remote", "203.0.113.9:4567"], "has no address 192.0.2.5"),
    (["client", "--local", "127.0.0.1:1234", "--remote", "224.0.0.1:4567"], "is a multicast"),
    (
      ["client", "-4", "--local", "127.0.0.1:1234", "--remote", "[2001:db8::9]:4567"],
      "IPv6 is out of use here"
    ),
    (client + ["--tun", "gcv0"], "a network device named gcv0 exists already"),
    (client + ["--tun-peer", "203.0.113.7"], "is taken, since gcv0 has 203.0.113.1/24"),
    (
      client + ["--handshake-packet", "/no/such/file"], "cannot read /no/such/file: No such file or directory"
    ),
    (client + ["--handshake-packet", "/dev/null"], "the handshake packet /dev/null is empty"),
    (
      ["client", "--local", "127.0.0.1:1234", "--remote", "[2001:db8::9]:4567", "--mtu", "1000"], "needs 1280"
    ),
  ])
  func whatCannotWorkIsRefused(arguments: [String], complaint: String) throws {
    let namespace = try NetworkNamespaceFixture("refused")
    let guise = try GuiseProcess(namespace, arguments)
    #expect(guise.status() == 1)
    #expect(guise.output.hasPrefix("guise: ") && guise.output.contains(complaint), "\(guise.output)")
    #expect(guise.output.filter { $0 == "\n" }.count == 1)
    try namespace.expectUntouched()
  }

  @Test func aUDPPortThatIsTakenIsRefused() throws {
    let namespace = try NetworkNamespaceFixture("port")
    let first = try GuiseProcess(namespace, Self.client)
    #expect(first.waits(for: "ready:"))
    let second = try GuiseProcess(namespace, Self.client)
    #expect(second.status() == 1)
    #expect(second.output.contains("UDP port 1234 is taken on 127.0.0.1"))
    #expect(first.status(after: SIGINT) == 0)
    try namespace.expectUntouched()
  }

  @Test func aHostWithoutIPv6GoesOnWithIPv4() throws {
    let namespace = try NetworkNamespaceFixture("nosix")
    try namespace.setSysctl("net/ipv6/conf/all/disable_ipv6", "1")
    let server = try GuiseProcess(namespace, Self.server)
    #expect(server.waits(for: "ready:"))
    #expect(server.output.contains("IPv6 is switched off on this host: going on with IPv4 only"))
    #expect(server.status(after: SIGINT) == 0)

    let client = try GuiseProcess(
      namespace, ["client", "--local", "127.0.0.1:1", "--remote", "[2001:db8::9]:4567"])
    #expect(client.status() == 1)
    #expect(client.output.contains("2001:db8::9 is an IPv6 address, but IPv6 is switched off on this host"))
    #expect(try namespace.ruleset.isEmpty)
  }

  @Test(arguments: [
    [], ["client"], ["frob"], ["client", "--local", "1234", "--remote", "a:1"],
    server + ["--workers", "257"], server + ["--mtu", "100"], server + ["--idle-timeout", "0"],
    server + ["--keepalive", "1"], client + ["--keepalive", "86401"], client + ["--keepalive", "-1"],
    client + (2...9).flatMap { ["--remote", "203.0.113.\($0):4567"] },
    server + ["--firewall", "maybe"], server + ["--tun-local", "fcc8::1"], server + ["--tun", "a/b"],
    server + ["--tun-local6", "fcc8::1", "--ipv4-only"],
    server + ["--tun-local", "10.0.0.1", "--tun-peer", "10.0.0.1"],
  ])
  func aCommandLineThatMakesNoSenseExitsWithTwo(arguments: [String]) throws {
    let outcome = try ChildProcess.run(
      GuiseProcess.command[0], GuiseProcess.command.dropFirst() + arguments)
    #expect(outcome.status == (arguments.isEmpty ? 0 : 2))
    #expect(outcome.errors.isEmpty == arguments.isEmpty)
  }
}
