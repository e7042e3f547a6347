import Foundation
import Testing

@testable import Control

/// Faults of a host that are really there, and what `guise check` says of each.
@Suite(.enabled(if: NetworkNamespaceFixture.isPossible))
struct HostFaultTests {
  @Test func aHostThatIsAsItShouldBeFailsInNothing() throws {
    let host = try NetworkNamespaceFixture("k-fine")
    try host.addDefaultRoute()
    let run = try CheckRun(host, ["--local", "127.0.0.1:1234", "--serve", "4567"])
    #expect(run.status == 0)
    #expect(run.entries.allSatisfy { $0.finding.verdict != .fail }, "\(run.entries)")
    #expect(run.entries.allSatisfy { ($0.finding.verdict == .fine) == ($0.finding.remedy == nil) })
    for check in ["kernel", "programs", "privileges", "TUN", "nftables", "forwarding", "MTU", "ports"] {
      #expect(!run.findings(check, .fine).isEmpty, "\(check)")
    }
    try host.expectUntouched()
  }

  @Test func aWarningFailsTheStrict() throws {
    let host = try NetworkNamespaceFixture("k-strict")
    try host.setSysctl("net/ipv4/ip_local_port_range", "40000 40999")
    #expect(try CheckRun(host).status == 0)
    #expect(try CheckRun(host, ["--strict"]).status == 1)
  }

  @Test func withoutTheCapability() throws {
    let host = try NetworkNamespaceFixture("k-cap")
    let run = try CheckRun(host, wrapper: ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"])
    run.expect("privileges", .fail, "CAP_NET_ADMIN is missing", remedy: "AmbientCapabilities=CAP_NET_ADMIN")
    run.expect("buffers", .warn, "a UDP socket gets", remedy: "sysctl -w net.core.rmem_max=")
  }

  @Test func withoutTheRightToChangeUser() throws {
    let host = try NetworkNamespaceFixture("k-user")
    let run = try CheckRun(
      host, wrapper: ["setpriv", "--bounding-set=-setuid,-setgid", "--inh-caps=-setuid,-setgid"])
    run.expect("privileges", .warn, "stays root", remedy: "--cap-add SETUID")
  }

  @Test func withoutTUN() throws {
    let host = try NetworkNamespaceFixture("k-tun")
    let hidden = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /dev/net && exec \"$@\"", "sh"]
    try CheckRun(host, wrapper: hidden).expect(
      "TUN", .fail, "cannot open /dev/net/tun", remedy: "modprobe tun")
  }

  @Test(arguments: [("nft", "apt install nftables"), ("ip", "apt install iproute2")])
  func withoutAProgram(tool: String, remedy: String) throws {
    let host = try NetworkNamespaceFixture("k-\(tool)")
    let script =
      "for d in /usr/sbin /usr/bin; do [ -e $d/\(tool) ] && mount --bind /dev/null $d/\(tool); done; exec \"$@\""
    try CheckRun(host, wrapper: ["unshare", "--mount", "sh", "-c", script, "sh"])
      .expect("programs", .fail, "\(tool) is missing", remedy: remedy)
  }

  @Test func sysctlsThatCannotBeWritten() throws {
    let host = try NetworkNamespaceFixture("k-ro")
    let script = "mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys && exec \"$@\""
    try CheckRun(host, wrapper: ["unshare", "--mount", "sh", "-c", script, "sh"])
      .expect("forwarding", .fail, "IPv4: off", remedy: "docker run --sysctl net.ipv4.ip_forward=1")
  }

  @Test func anInterfaceThatDoesNotForward() throws {
    let host = try NetworkNamespaceFixture("k-fwd")
    try host.setSysctl("net/ipv4/ip_forward", "1")
    try host.setSysctl("net/ipv4/conf/gcv0/forwarding", "0")
    try CheckRun(host).expect("forwarding", .fail, "by gcv0", remedy: "net.ipv4.conf.gcv0.forwarding=1")
  }

  @Test func noIPv6() throws {
    let host = try NetworkNamespaceFixture("k-six")
    try host.setSysctl("net/ipv6/conf/all/disable_ipv6", "1")
    try CheckRun(host).expect(
      "forwarding", .warn, "IPv6 is switched off", remedy: "net.ipv6.conf.all.disable_ipv6=0")
  }

  @Test func strictReversePathsWithSeveralWays() throws {
    let host = try NetworkNamespaceFixture("k-rp")
    try host.ip(["address", "add", "203.0.114.1/24", "dev", "gcv1"])
    try host.addDefaultRoute()
    try host.ip(["route", "add", "default", "via", "203.0.114.254", "metric", "50"])
    try host.setSysctl("net/ipv4/conf/all/rp_filter", "0")
    try host.setSysctl("net/ipv4/conf/gcv0/rp_filter", "1")
    try host.setSysctl("net/ipv4/conf/gcv1/rp_filter", "2")
    try CheckRun(host).expect("rp_filter", .warn, "strict on gcv0", remedy: "net.ipv4.conf.gcv0.rp_filter=2")
  }

  @Test func flowsThatAreForgottenTooSoon() throws {
    let host = try NetworkNamespaceFixture("k-ct")
    try host.setSysctl("net/netfilter/nf_conntrack_tcp_timeout_established", "60")
    try CheckRun(host).expect(
      "conntrack", .fail, "forgotten after 60 s", remedy: "nf_conntrack_tcp_timeout_established=360")
  }

  @Test func aLinkThatIsTooNarrow() throws {
    let host = try NetworkNamespaceFixture("k-mtu")
    try host.addDefaultRoute()
    try host.ip(["link", "set", "gcv0", "mtu", "1280"])
    try CheckRun(host, ["--serve", "4567"])
      .expect("MTU", .warn, "WireGuard gets an MTU of 1208", remedy: "mtu 1500")
  }

  @Test func aLinkThatGluesNothing() throws {
    let host = try NetworkNamespaceFixture("k-gro")
    try host.addDefaultRoute()
    _ = try host.run(["ethtool", "-K", "gcv0", "gro", "off", "gso", "off", "tso", "off"])
    try CheckRun(host).expect(
      "offloads", .warn, "gcv0: gro, gso, tso off", remedy: "ethtool -K gcv0 gro on gso on tso on")
  }

  @Test func fewDescriptors() throws {
    let host = try NetworkNamespaceFixture("k-fd")
    try CheckRun(host, wrapper: ["prlimit", "--nofile=1024:1024"])
      .expect("descriptors", .warn, "1024 at most", remedy: "LimitNOFILE=")
  }

  @Test func fewPorts() throws {
    let host = try NetworkNamespaceFixture("k-range")
    try host.setSysctl("net/ipv4/ip_local_port_range", "40000 40999")
    try CheckRun(host).expect("ports", .warn, "has 1000 ports", remedy: "net.ipv4.ip_local_port_range=")
  }

  @Test func portsAndAddressesThatOthersHave() throws {
    let host = try NetworkNamespaceFixture("k-ports")
    let client = try GuiseProcess(
      host, ["client", "--local", "127.0.0.1:1234", "--remote", "203.0.113.9:4567"])
    #expect(client.waits(for: "ready:"))
    // guise knows its own by their flow files.
    let other = try GuiseProcess(
      host, ["client", "--local", "127.0.0.1:1235", "--remote", "203.0.113.9:4568", "--flow-file", "off"])
    #expect(other.waits(for: "ready:"))
    try CheckRun(host, ["--local", "127.0.0.1:1235"])
      .expect("ports", .fail, "UDP port 1235 is taken", remedy: "ss -lunp")
    let listener = try host.listen("127.0.0.1", 4567)
    let run = try CheckRun(host, ["--local", "127.0.0.1:1234", "--serve", "4567"])
    run.expect(
      "ports", .warn, "process \(client.processID) of guise has UDP 127.0.0.1:1234 already",
      remedy: "start with '--takeover'")
    run.expect("ports", .warn, "a program listens on TCP port 4567", remedy: "ss -ltnp")
    try CheckRun(host, ["--serve", "192.0.2.1:4567"])
      .expect("ports", .fail, "no address 192.0.2.1", remedy: "'ip address' shows")
    withExtendedLifetime(listener) {}
  }

  @Test func whatAKilledGatewayLeft() throws {
    let host = try NetworkNamespaceFixture("k-left")
    let killed = try GuiseProcess(
      host, ["client", "--local", "127.0.0.1:1234", "--remote", "203.0.113.9:4567"])
    #expect(killed.waits(for: "ready:"))
    try CheckRun(host).expect("forwarding", .fine, "IPv4: on")
    #expect(try CheckRun(host).findings("leftovers", .warn).isEmpty)
    #expect(killed.status(after: SIGKILL) == 128 + SIGKILL)
    try CheckRun(host).expect("leftovers", .warn, "was killed", remedy: "guise cleanup")
  }
}

extension CheckRun {
  /// A finding that there is nothing to mend about.
  func expect(
    _ check: String, _ verdict: Finding.Verdict, _ text: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(
      findings(check, verdict).contains { $0.text.contains(text) }, "\(entries)",
      sourceLocation: sourceLocation)
  }
}
