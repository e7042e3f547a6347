import Foundation
import Testing

@testable import Control

/// What can be the matter with the peer and the way to it.
@Suite(.enabled(if: NetworkNamespaceFixture.isPossible))
struct PeerFaultTests {
  @Test(arguments: ["198.51.100.2", "[2001:db8:1::2]"])
  func aServerAnswersAndItsServiceHearsNothing(address: String) throws {
    let here = try NetworkNamespaceFixture("p-here\(address.count)")
    let there = try NetworkNamespaceFixture("p-there\(address.count)")
    try here.join(there)
    let server = try GuiseProcess(there, ["server", "--local", "4567", "--remote", "127.0.0.1:5678"])
    #expect(server.waits(for: "ready:"))
    let run = try CheckRun(here, ["--peer", "\(address):4567", "--attempts", "3"])
    run.expect("peer", .fine, "answers 3 of 3 handshakes")
    run.expect("MTU", .fine, "the way to \(address.filter { $0 != "[" && $0 != "]" }) takes 1500 bytes")
    #expect(run.status == 0)
    try here.expectUntouched()

    #expect(server.status(after: SIGINT) == 0)
    // A line has the name, the total, and each worker's share.
    let count = { (counter: String) in
      server.output.split(separator: "\n").first { $0.contains("  \(counter) ") }?
        .split(separator: " ").dropFirst(counter.split(separator: " ").count).first
    }
    #expect(count("flows opened") == "1" && count("flows closed") == "1", "\(server.output)")
    #expect(count("cookies sent") == "3" && count("datagrams out") == "0", "\(server.output)")
  }

  @Test func nobodyAnswersOrSomebodyElseDoes() throws {
    let here = try NetworkNamespaceFixture("p-none")
    let there = try NetworkNamespaceFixture("p-other")
    try here.join(there)
    try CheckRun(here, ["--peer", "198.51.100.9:4567", "--attempts", "1"])
      .expect("peer", .fail, "does not answer", remedy: "let TCP port 4567 in")
    try CheckRun(here, ["--peer", "198.51.100.2:4567", "--attempts", "1"])
      .expect("peer", .fail, "refuses", remedy: "guise server --local 4567")
    let listener = try there.listen("198.51.100.2", 4567)
    try CheckRun(here, ["--peer", "198.51.100.2:4567", "--attempts", "1"])
      .expect("peer", .fail, "an ordinary TCP program", remedy: "guise server --local")
    withExtendedLifetime(listener) {}
  }

  @Test func handshakesAreLost() throws {
    let here = try NetworkNamespaceFixture("p-lossy")
    let there = try NetworkNamespaceFixture("p-end")
    try here.join(there)
    let server = try GuiseProcess(there, ["server", "--local", "4567", "--remote", "127.0.0.1:5678"])
    #expect(server.waits(for: "ready:"))
    _ = try there.run([
      "nft",
      "add table ip loss; add chain ip loss c { type filter hook prerouting priority -400; }; "
        + "add rule ip loss c tcp flags syn limit rate over 1/hour burst 2 packets drop",
    ])
    try CheckRun(here, ["--peer", "198.51.100.2:4567", "--attempts", "4"])
      .expect("peer", .warn, " of 4 handshakes", remedy: "--attempts 100")
  }

  @Test func thisHostsOwnRulesDropWhatGoesOut() throws {
    let here = try NetworkNamespaceFixture("p-out")
    _ = try here.run([
      "nft", "add table ip f; add chain ip f o { type filter hook output priority 0; policy drop; }",
    ])
    try CheckRun(here, ["--peer", "203.0.113.9:4567", "--attempts", "1"])
      .expect("peer", .fail, "does not let packets", remedy: "nft list ruleset")
  }

  @Test func withoutRawSockets() throws {
    let here = try NetworkNamespaceFixture("p-raw")
    try CheckRun(
      here, ["--peer", "203.0.113.9:4567"],
      wrapper: ["setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw"]
    )
    .expect("peer", .warn, "not tried", remedy: "as root")
  }

  @Test func thereIsNoWayThere() throws {
    let here = try NetworkNamespaceFixture("p-way")
    try CheckRun(here).expect("route", .warn, "no default route", remedy: "ip route add default")
    try CheckRun(here, ["--peer", "192.0.2.9:4567"])
      .expect("route", .fail, "no way to 192.0.2.9", remedy: "ip route add 192.0.2.9")
    try CheckRun(here, ["--peer", "203.0.113.1:4567", "--attempts", "1"])
      .expect("route", .fail, "of this very host", remedy: "the server's host")
    try CheckRun(here, ["--peer", "127.0.0.1:4567", "--attempts", "1"])
      .expect("route", .fail, "is a loopback address", remedy: "on the network")
  }

  @Test func itsNameHasNoAddress() throws {
    let here = try NetworkNamespaceFixture("p-name")
    try CheckRun(here, ["--peer", "nowhere.invalid:4567"])
      .expect("route", .fail, "cannot find the address of 'nowhere.invalid'", remedy: "DNS")
  }

  @Test func theWayLeadsIntoATunnel() throws {
    let here = try NetworkNamespaceFixture("p-tun")
    try here.ip(["tuntap", "add", "mode", "tun", "name", "wg0"])
    try here.ip(["link", "set", "wg0", "up"])
    try here.ip(["route", "add", "192.0.2.9", "dev", "wg0"])
    try CheckRun(here, ["--peer", "192.0.2.9:4567", "--attempts", "1"])
      .expect("route", .warn, "by the tunnel wg0", remedy: "--fwmark")
    // As wg-quick does it: what has the mark goes by the main table.
    try here.ip(["route", "del", "192.0.2.9", "dev", "wg0"])
    try here.addDefaultRoute()
    try here.ip(["route", "add", "default", "dev", "wg0", "table", "51820"])
    try here.ip(["rule", "add", "not", "fwmark", "51820", "table", "51820"])
    let peer = ["--peer", "192.0.2.9:4567", "--attempts", "1"]
    try CheckRun(here, peer).expect("route", .warn, "by the tunnel wg0", remedy: "--fwmark")
    try CheckRun(here, peer + ["--fwmark", "0xca6c"]).expect("route", .fine, "is reached by gcv0")
  }
}
