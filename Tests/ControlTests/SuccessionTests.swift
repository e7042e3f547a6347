import Foundation
import Testing

@testable import Control

/// What one process leaves to the next, and what is none of its business.
@Suite(.serialized, .enabled(if: NetworkNamespaceFixture.isPossible)) struct SuccessionTests {
  private static let client = [
    "client", "--local", "127.0.0.1:1234", "--remote", "203.0.113.9:4567", "--remote", "[2001:db8::9]:4567",
  ]

  private func server(_ port: Int, _ options: String...) -> [String] {
    ["server", "--local", "\(port)", "--remote", "127.0.0.1:5678"] + options
  }

  /// Has lost its device, so that its flow file names one that anybody may have by now.
  private func losesItsDevice(
    _ process: GuiseProcess, _ device: String, in namespace: NetworkNamespaceFixture
  )
    throws
  {
    try namespace.ip(["link", "delete", device])
    #expect(process.status() == 1)
    #expect(process.output.contains("the TUN device is gone"))
    #expect(!process.output.contains("a worker ended by itself"))
  }

  @Test(arguments: ["tracked", "tc"], [[], ["--tun-local", "10.9.0.1", "--tun-peer", "10.9.0.2"]])
  func aDeviceThatAnotherHasMadeSinceIsLeftAlone(firewall: String, othersAddresses: [String]) throws {
    let namespace = try NetworkNamespaceFixture("other")
    let first = try GuiseProcess(namespace, server(4567, "--firewall", firewall))
    #expect(first.waits(for: "ready:"))
    try losesItsDevice(first, "guise0", in: namespace)
    let other = try GuiseProcess(namespace, server(4568, "--firewall", firewall) + othersAddresses)
    #expect(other.waits(for: "ready:"))
    let next = try GuiseProcess(namespace, server(4567, "--firewall", firewall))
    #expect(next.waits(for: "ready:") && next.output.contains("guise1: MTU"))
    #expect(next.status(after: SIGINT) == 0)

    // The other one still has all it needs, and would leave it to who comes after it.
    #expect(try namespace.sysctl("net/ipv4/ip_forward") == "1")
    #expect(try namespace.ip(["-d", "link", "show", "guise0"]).contains("persist on"))
    #expect(!other.output.contains("restored"))
    #expect(other.status(after: SIGINT) == 0)
    try namespace.expectUntouched()
  }

  @Test func anEndThatIsCutShortLeavesNothingEither() throws {
    let namespace = try NetworkNamespaceFixture("short")
    let process = try GuiseProcess(namespace, server(4567))
    #expect(process.waits(for: "ready:"))
    // Its workers cannot end meanwhile.
    process.send(SIGSTOP)
    for signal in [SIGTERM, SIGINT, SIGCONT] { process.send(signal) }
    #expect([0, 1].contains(process.status()))
    try namespace.expectUntouched()
  }

  @Test func aClientAtTCComesBackAtTCAfterItsDeviceWasLost() throws {
    let namespace = try NetworkNamespaceFixture("again")
    let first = try GuiseProcess(namespace, Self.client)
    #expect(first.waits(for: "ready:") && first.output.contains("at tc on gcv0"))
    try losesItsDevice(first, "guise0", in: namespace)
    let next = try GuiseProcess(namespace, Self.client)
    #expect(next.waits(for: "ready:") && next.output.contains("at tc on gcv0"))
    #expect(!next.output.contains("were tracked until now"))
    #expect(next.status(after: SIGINT) == 0)
    try namespace.expectUntouched()
  }

  @Test(arguments: ["tracked", "tc"]) func addressesThatALinkLosesAreRestored(firewall: String) throws {
    let namespace = try NetworkNamespaceFixture("flap")
    let process = try GuiseProcess(namespace, server(4567, "--firewall", firewall))
    #expect(process.waits(for: "ready:"))
    let before = try namespace.ip(["address", "show", "guise0"]) + namespace.ip(["-6", "route", "show"])
    for state in ["down", "up"] { try namespace.ip(["link", "set", "guise0", state]) }
    #expect(process.waits(for: "guise0 had lost fcc9::1"))
    #expect(
      try namespace.ip(["address", "show", "guise0"]) + namespace.ip(["-6", "route", "show"]) == before)
    #expect(process.status(after: SIGINT) == 0)
    try namespace.expectUntouched()
  }

  @Test func aClientDoesNotTakeItsOwnAddressForTheHosts() throws {
    let namespace = try NetworkNamespaceFixture("own")
    try namespace.ip(["-6", "route", "add", "default", "dev", "gcv0"])
    let process = try GuiseProcess(namespace, Self.client)
    #expect(process.waits(for: "ready:") && process.output.contains("IPv6 as 2001:db8::1 at tc on gcv0"))
    try namespace.ip(["address", "delete", "2001:db8::1/64", "dev", "gcv0"])
    usleep(2_500_000)
    #expect(!process.output.contains("as fcc8::1"))
    #expect(process.status(after: SIGINT) == 0)
    try namespace.expectUntouched()
  }

  @Test(arguments: ["tracked", "tc"], [true, false])
  func whatIsOnRecordNoMoreIsCleanedUp(firewall: String, isKilled: Bool) throws {
    let namespace = try NetworkNamespaceFixture("lost")
    // An operator's own, by the manual.
    _ = try namespace.run(["nft", "add table inet guise_mine"])
    let process = try GuiseProcess(namespace, server(4567, "--firewall", firewall))
    #expect(process.waits(for: "ready:"))
    if isKilled {
      process.send(SIGKILL)
      _ = process.status()
      // The kernel takes its time to let go of a ring, and so of the queue.
      for _ in 0..<200 where try !namespace.ip(["link", "show", "guise0"]).contains("NO-CARRIER") {
        usleep(10_000)
      }
    }
    for record in TextFile.names(in: namespace.stateDirectory) {
      try FileManager.default.removeItem(atPath: "\(namespace.stateDirectory)/\(record)")
    }
    let cleanup = try GuiseProcess(namespace, ["cleanup"])
    #expect(cleanup.status() == 0)
    #expect(cleanup.output.contains("on record no more: device guise0") == isKilled)
    #expect(namespace.hasDevice("guise0") != isKilled)
    #expect(try namespace.filters("gcv0").contains("guise_inward_guise0") == (!isKilled && firewall == "tc"))
    if !isKilled { #expect(process.status(after: SIGINT) == 0) }
    #expect(try namespace.ruleset.contains("guise_mine") && !namespace.ruleset.contains("guise_guise0"))
    #expect(try !namespace.run(["tc", "qdisc", "show"]).contains("clsact"))
  }

  @Test func forwardingIsPutBackThoughTheRecordIsLost() throws {
    let namespace = try NetworkNamespaceFixture("record")
    let process = try GuiseProcess(namespace, server(4567))
    #expect(process.waits(for: "ready:"))
    let record = try #require(namespace.records.first { $0.hasSuffix(".shared.json") })
    try FileManager.default.removeItem(atPath: "\(namespace.stateDirectory)/\(record)")
    #expect(process.status(after: SIGINT) == 0)
    try namespace.expectUntouched()
  }
}
