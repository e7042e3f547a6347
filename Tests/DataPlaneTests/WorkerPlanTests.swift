import Testing

@testable import DataPlane

@Suite struct WorkerPlanTests {
  private func plan(_ role: Role, workerCount: Int, mtu: Int = 1_500, flowCountMax: Int = 65_536)
    -> WorkerPlan
  {
    var plan = GatewayPlan(
      role: role, remote: Endpoint(Address("192.0.2.2")!, port: 4_567),
      tunQueues: [Int32](repeating: -1, count: workerCount))
    plan.mtu = mtu
    plan.flowCountMax = flowCountMax
    plan.tunAddress4 = Address("192.168.200.2")
    plan.tunAddress6 = Address("fcc8::2")
    return WorkerPlan(plan)
  }

  private func key(remotePort: UInt16, localPort: UInt16) -> FlowKey {
    FlowKey(
      remote: Address("198.51.100.2")!, local: Address("192.168.200.2")!, remotePort: remotePort,
      localPort: localPort)
  }

  @Test(arguments: [1, 2, 3, 8, 256])
  func `a client's flow belongs to the worker that its port was taken from`(workerCount: Int) throws {
    let plan = plan(.client, workerCount: workerCount)
    for worker in 0..<workerCount {
      var ports = try PortSpace(worker: worker, workerCount: workerCount, random: 99)
      for _ in 0..<10 {
        let port = ports.take()!
        #expect(plan.owner(of: key(remotePort: 4_567, localPort: port)) == worker)
      }
    }
  }

  @Test(arguments: [1, 2, 3, 8, 256], [2, 3, 4, 7, 64])
  func `a source's connections are shared out among the workers`(workerCount: Int, connectionCount: Int) {
    var plan = plan(.client, workerCount: workerCount)
    plan.connectionCount = connectionCount
    let hashes = (0..<1_000).map { UInt64($0) &* 0x9e37_79b9_7f4a_7c15 }
    func numbers(_ worker: Int) -> Set<UInt16> { Set(hashes.map(plan.connections(of: worker).number)) }
    #expect((0..<workerCount).allSatisfy { numbers($0) == Set(0..<UInt16(connectionCount)) })

    plan.sharesSources = true
    let shares = (0..<workerCount).map(numbers)
    #expect(Set(shares.joined()).count == shares.reduce(0) { $0 + $1.count }, "no number is two workers'")
    // A source that comes to fewer workers than there are has one with each of these.
    let expected = connectionCount < workerCount ? workerCount : connectionCount
    #expect(shares.reduce(0) { $0 + $1.count } == expected)
    #expect(shares.map(\.count).max()! - shares.map(\.count).min()! <= 1)
  }

  @Test(arguments: [1, 2, 3, 8, 256])
  func `a server's flows are spread evenly over its workers`(workerCount: Int) {
    let plan = plan(.server, workerCount: workerCount)
    var counts = [Int](repeating: 0, count: workerCount)
    for port in 1...UInt16.max {
      let owner = plan.owner(of: key(remotePort: port, localPort: 4_567))
      guard counts.indices.contains(owner) else {
        Issue.record("worker \(owner) of \(workerCount)")
        return
      }
      counts[owner] += 1
    }
    let even = 65_535 / workerCount
    #expect(counts.allSatisfy { abs($0 - even) < even / 2 + 1 })
  }

  @Test func `all workers agree on owners and cookies, two gateways on neither`() {
    let plan = plan(.server, workerCount: 4)
    let copy = plan
    let other = self.plan(.server, workerCount: 4)
    let keys = (1...1_000).map { key(remotePort: $0, localPort: 4_567) }
    #expect(keys.allSatisfy { plan.owner(of: $0) == copy.owner(of: $0) })
    #expect(keys.contains { plan.owner(of: $0) != other.owner(of: $0) })
    #expect(plan.cookie.sequence(for: keys[0], now: 0) == copy.cookie.sequence(for: keys[0], now: 0))
    #expect(keys.contains { plan.cookie.sequence(for: $0, now: 0) != other.cookie.sequence(for: $0, now: 0) })
  }

  @Test(arguments: [
    (1_500, 1_460, 1_440), (9_000, 8_960, 8_940), (1_280, 1_240, 1_220), (65_535, 65_495, 65_475),
  ])
  func `the largest payload is what the MTU leaves behind two bare headers`(mtu: Int, four: Int, six: Int) {
    let plan = plan(.client, workerCount: 1, mtu: mtu)
    #expect(plan.segmentBytesMax(isIPv4: true) == four)
    #expect(plan.segmentBytesMax(isIPv4: false) == six)
  }

  @Test(arguments: [(1, 65_536), (2, 65_536), (16, 65_536), (8, 10), (256, 65_536)])
  func `the workers together have room for all flows, unevenly spread`(workerCount: Int, flowCountMax: Int) {
    let plan = plan(.server, workerCount: workerCount, flowCountMax: flowCountMax)
    #expect(plan.flowCountMax * workerCount >= flowCountMax)
    #expect(plan.flowCountMax <= flowCountMax)
  }

  @Test func `each family has its own address`() {
    let plan = plan(.client, workerCount: 1)
    #expect(plan.ownAddress(isIPv4: true) == Address("192.168.200.2"))
    #expect(plan.ownAddress(isIPv4: false) == Address("fcc8::2"))
  }

  @Test func `without offload every train has one part`() {
    var gateway = GatewayPlan(
      role: .client, remote: Endpoint(Address("192.0.2.2")!, port: 1), tunQueues: [-1])
    gateway.offload = false
    let plan = WorkerPlan(gateway)
    #expect(plan.segmentsPerTrainMax == 1 && plan.datagramsPerTrainMax == 1)
    #expect(plan.address4.isUnspecified && plan.address6.isUnspecified)
  }

  @Test func `the bounds keep their relations`() { Limits.assertRelations() }
}
