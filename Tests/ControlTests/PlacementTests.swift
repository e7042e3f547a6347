import Foundation
import Glibc
import Logging
import Testing

@testable import Control

@Suite struct CPUListTests {
  @Test(arguments: [
    ("0", [0], "0"), ("0-3,8", [0, 1, 2, 3, 8], "0-3,8"), ("8,0-3", [8, 0, 1, 2, 3], "8,0-3"),
    ("1,2", [1, 2], "1-2"), ("5-5", [5], "5"), ("1023", [1_023], "1023"),
  ])
  func theOrderIsKept(text: String, cpus: [Int], description: String) throws {
    #expect(try CPUList(text).cpus == cpus)
    #expect(try CPUList(text).description == description)
  }

  @Test(arguments: [
    "", ",", "0,", "a", "-1", "3-1", "0-", "0-1-2", "+1", " 1", "1024", "99999999999999999999",
  ])
  func whatIsNoListSaysHowOneLooks(text: String) {
    let error = #expect(throws: CPUList.Malformed.self) { try CPUList(text) }
    #expect(error?.description.contains("as in 0-3,8") == true)
  }

  @Test func aCPUTwiceIsAMistake() {
    #expect(throws: CPUList.Malformed(description: "CPU 2 is named twice")) { try CPUList("0-3,2") }
  }
}

@Suite struct PlacementTests {
  private let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

  private func choose(
    _ cpus: GatewayConfiguration.CPUChoice, workers: Int? = nil, online: [Int] = Array(0..<8),
    allowed: [Int] = Array(0..<8), near: (node: Int, cpus: [Int])? = nil
  ) throws(SetupError) -> Placement {
    var configuration = GatewayConfiguration(
      listen: .tcp(nil, port: 1), remote: HostPort(.name("localhost"), port: 2))
    configuration.cpus = cpus
    configuration.workers = workers
    let host = HostCPUs(online: online, allowed: allowed)
    return try Placement.choose(configuration, host, near: { near }, log)
  }

  @Test func withoutAWishThereIsAWorkerForEachCPUThatMayBeUsed() throws {
    #expect(try choose(.any) == Placement(workers: 8, cpus: []))
    #expect(try choose(.any, allowed: [2, 3, 5]) == Placement(workers: 3, cpus: []))
    #expect(try choose(.any, allowed: [3, 5]) == Placement(workers: 1, cpus: []))
    #expect(try choose(.any, allowed: [3]) == Placement(workers: 1, cpus: []))
    #expect(try choose(.list(CPUList("3,5")), allowed: [3, 5]) == Placement(workers: 2, cpus: [3, 5]))
    #expect(try choose(.any, workers: 2, allowed: [3, 5]) == Placement(workers: 2, cpus: []))
    #expect(try choose(.any, workers: 5, allowed: [3]) == Placement(workers: 5, cpus: []))
    #expect(try choose(.any, online: Array(0..<512), allowed: Array(0..<512)).workers == 256)
  }

  @Test func workersTakeTheListInTurn() throws {
    let list = GatewayConfiguration.CPUChoice.list(try CPUList("6,0-1"))
    #expect(try choose(list) == Placement(workers: 3, cpus: [6, 0, 1]))
    #expect(try choose(list, workers: 2) == Placement(workers: 2, cpus: [6, 0]))
    #expect(try choose(list, workers: 5) == Placement(workers: 5, cpus: [6, 0, 1, 6, 0]))
  }

  @Test func cpusThatAreMissingOrForbiddenAreNamed() throws {
    let list = GatewayConfiguration.CPUChoice.list(try CPUList("0,9"))
    #expect(throws: SetupError.cpuMissing(9, online: try CPUList("0-7"))) { try choose(list) }
    #expect(throws: SetupError.cpuForbidden(9, allowed: try CPUList("0-3"))) {
      try choose(list, online: Array(0..<16), allowed: Array(0..<4))
    }
    #expect("\(SetupError.cpuMissing(9, online: try CPUList("0-7")))".contains("this host has 0-7"))
    #expect("\(SetupError.cpuForbidden(9, allowed: try CPUList("0-3")))".contains("only 0-3"))
  }

  @Test func theNetworkCardsNodeIsPreferredWhereItMayBeUsed() throws {
    #expect(try choose(.auto).cpus == Array(0..<8))
    #expect(try choose(.auto, near: (1, [4, 5, 6, 7])) == Placement(workers: 4, cpus: [4, 5, 6, 7]))
    #expect(try choose(.auto, allowed: [0, 5, 7], near: (1, [4, 5, 6, 7])).cpus == [5, 7])
    #expect(try choose(.auto, allowed: [0, 1], near: (1, [4, 5, 6, 7])).cpus == [0, 1])
  }

  @Test func theHostSaysWhatThereIs() throws {
    let root = FileManager.default.temporaryDirectory.appending(path: "guise-cpus-\(UUID())").path()
    defer { try? FileManager.default.removeItem(atPath: root) }
    func put(_ path: String, _ text: String) throws {
      let file = URL(filePath: root + path)
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try text.write(to: file, atomically: true, encoding: .utf8)
    }
    try put("/sys/devices/system/cpu/online", "0-5\n")
    try put(
      "/proc/thread-self/status", "Name:\tx\nCpus_allowed:\tff\nCpus_allowed_list:\t2-7\nMems_allowed:\t1\n")
    try put("/sys/devices/system/node/node1/cpulist", "1,3,5\n")
    try put("/sys/class/net/eth0/device/numa_node", "1\n")
    try put("/sys/class/net/eth1/device/numa_node", "-1\n")
    #expect(HostCPUs.current(root: root) == HostCPUs(online: Array(0...5), allowed: [2, 3, 4, 5]))
    let near = HostCPUs.near(device: "eth0", root: root)
    #expect(near?.node == 1 && near?.cpus == [1, 3, 5])
    for device in ["eth1", "wg0"] { #expect(HostCPUs.near(device: device, root: root) == nil) }
  }

  @Test func thisHostHasCPUs() {
    let host = HostCPUs.current()
    #expect(!host.allowed.isEmpty && Set(host.allowed).isSubset(of: host.online))
  }
}
