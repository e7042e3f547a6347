import Testing

@testable import DataPlane

/// Several workers over a link: packets reach the worker that owns their flow, and buffers come home.
@Suite struct HandoffTests {
  private static func app(_ number: Int) -> Endpoint { SimulationTests.app(number) }
  private static func payload(_ flow: Int, _ number: Int, size: Int) -> [UInt8] {
    SimulationTests.payload(flow, number, size: size)
  }
  private static func flow(of payload: [UInt8]) -> Int {
    payload.prefix(8).enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) } >> 20
  }

  /// Wherever the kernel delivers packets: each datagram comes out once, whole, to whom it was meant for.
  @Test(arguments: [2, 3, 8], 0..<8 as Range<UInt64>)
  func `packets at the wrong worker reach their flow`(workers: Int, seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let teams = try SimulatedTeams(
      LinkFaults(splits: random.chance(0.5), merges: random.chance(0.5)), seed: seed, workers: workers,
      misdelivery: random.chance(0.5) ? 1 : 0.1)
    let flowCount = 12
    var sent = Set<[UInt8]>()
    var arrived: [[UInt8]] = []
    var answers: [SimulatedKernel.Delivery] = []
    for round in 0..<30 {
      for flow in 0..<flowCount {
        let payload = Self.payload(flow, round, size: Int.random(in: 8...1_400, using: &random))
        sent.insert(payload)
        teams.client.send(payload, from: Self.app(flow))
      }
      try teams.step()
      for worker in teams.server.workers {
        for delivery in worker.takeDeliveries() {
          arrived.append(delivery.payload)
          worker.answer(delivery.payload, flow: delivery.flow)
        }
      }
      answers += teams.client.takeDeliveries()
    }
    try teams.settle()
    for worker in teams.server.workers { arrived += worker.takeDeliveries().map(\.payload) }
    answers += teams.client.takeDeliveries()
    #expect(arrived.count == sent.count && Set(arrived) == sent, "seed \(seed)")
    for answer in answers {
      #expect(sent.contains(answer.payload), "seed \(seed)")
      #expect(answer.destination == Self.app(Self.flow(of: answer.payload)), "seed \(seed)")
    }
    #expect(teams.server.statistics[.handoffs] > 0 && teams.client.statistics[.handoffs] > 0)
    try teams.expectBalanceAndNoLeak("seed \(seed)")
  }

  @Test(arguments: [2, 4, 8])
  func `once TUN has learned the flows, nothing changes workers`(workers: Int) throws {
    let teams = try SimulatedTeams(workers: workers)
    for flow in 0..<40 { teams.client.send(Self.payload(flow, 0, size: 100), from: Self.app(flow)) }
    try teams.settle()
    let before = [teams.client, teams.server].map { $0.statistics[.handoffs] }
    for round in 1..<100 {
      for flow in 0..<40 { teams.client.send(Self.payload(flow, round, size: 100), from: Self.app(flow)) }
      try teams.step()
      for worker in teams.server.workers {
        for delivery in worker.takeDeliveries() { worker.answer(delivery.payload, flow: delivery.flow) }
      }
    }
    #expect([teams.client, teams.server].map { $0.statistics[.handoffs] } == before)
    #expect(teams.client.statistics[.datagramsOut] > 3_000)
  }

  @Test func `no worker lends all its buffers, and they come home without waking anybody`() throws {
    let teams = try SimulatedTeams(workers: 2)
    for flow in 0..<16 { teams.client.send([UInt8(flow)], from: Self.app(flow)) }
    try teams.settle()
    _ = teams.server.takeDeliveries()
    let ownerIndex = try #require(teams.server.workers.firstIndex { $0.flowCount > 0 })
    let owner = teams.server.workers[ownerIndex]
    let lender = teams.server.workers[1 - ownerIndex]
    for flow in 0..<16 { teams.client.send([7], from: Self.app(flow)) }
    try teams.client.turn()
    let port = owner.worker.flows[0].key.remotePort
    let packet = try #require(teams.client.takePackets().first { SimulatedTeam.clientPort(of: $0) == port })

    let before = (lender.statistics[.handoffs], lender.statistics[.handoffFull])
    let count = Limits.lentPacketsMax + 54
    lender.kernel.batchMax = count
    lender.kernel.inputs = Array(repeating: .packet(packet), count: count)
    try lender.turn()
    #expect(lender.worker.lentCount == Limits.lentPacketsMax)
    #expect(lender.statistics[.handoffs] - before.0 == UInt64(Limits.lentPacketsMax))
    #expect(lender.statistics[.handoffFull] - before.1 == 54)
    #expect(lender.kernel.woken == [ownerIndex], "one wake-up for the batch")

    lender.kernel.woken = []
    owner.kernel.inputs = [.woken]
    try owner.turn()
    #expect(owner.takeDeliveries().count == Limits.lentPacketsMax)
    try owner.turn()
    #expect(owner.kernel.woken.isEmpty)
    // What is home is there for the next that come.
    lender.kernel.inputs = Array(repeating: .packet(packet), count: 10)
    try lender.turn()
    #expect(lender.worker.lentCount == 10)
    #expect(lender.statistics[.handoffFull] - before.1 == 54)
    // A train is as many segments as it has.
    lender.kernel.inputs = Array(repeating: .packet(packet), count: Limits.lentPacketsMax - 10)
    try lender.turn()
    for flow in 0..<16 { for _ in 0..<5 { teams.client.send([7], from: Self.app(flow)) } }
    try teams.client.turn()
    let train = try #require(teams.client.takePackets().first { SimulatedTeam.clientPort(of: $0) == port })
    lender.kernel.inputs = [.packet(train)]
    try lender.turn()
    #expect(lender.statistics[.handoffFull] - before.1 == 59)
    owner.kernel.inputs = [.woken]
    try owner.turn()
    #expect(owner.takeDeliveries().count == Limits.lentPacketsMax)
    try owner.turn()
    try lender.turn()
    #expect(lender.worker.lentCount == 0)
    try teams.expectBalanceAndNoLeak()
  }
}
