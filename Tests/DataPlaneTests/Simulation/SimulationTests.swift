import Testing

@testable import DataPlane

/// Two gateways over a link, without a kernel. Each test that draws at random prints its seed.
@Suite struct SimulationTests {
  static func app(_ number: Int) -> Endpoint {
    Endpoint(Address("127.0.0.1")!, port: UInt16(20_000 + number))
  }

  /// A payload that says whose and which it is.
  static func payload(_ flow: Int, _ number: Int, size: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: flow &* 31 &+ number), count: size)
    for index in 0..<min(8, size) {
      bytes[index] = UInt8(truncatingIfNeeded: (flow << 20 | number) >> (8 * index))
    }
    return bytes
  }

  @Test(arguments: [false, true])
  func `a datagram crosses and its answer comes back to whom it came from`(isIPv6: Bool) throws {
    let pair = try SimulatedPair(isIPv6: isIPv6)
    pair.client.send([1, 2, 3], from: Self.app(0))
    try pair.settle()
    let arrived = pair.server.takeDeliveries()
    #expect(arrived.map(\.payload) == [[1, 2, 3]])
    pair.server.answer([4, 5], flow: arrived[0].flow)
    try pair.settle()
    #expect(
      pair.client.takeDeliveries() == [
        .init(payload: [4, 5], destination: Self.app(0), flow: DatagramArrival.listener)
      ])
    #expect(pair.client.statistics[.flowsOpened] == 1)
    #expect(pair.server.statistics[.flowsOpened] == 1)
    expectBalance(pair.client)
    expectBalance(pair.server)
  }

  /// Any sequence of sizes over any number of flows comes out the same, whatever the batches.
  @Test(arguments: 0..<60)
  func `whatever goes in comes out the same and in order`(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let faults = LinkFaults(splits: random.chance(0.5), merges: random.chance(0.5))
    let pair = try SimulatedPair(
      faults, seed: seed, isIPv6: random.chance(0.5), clientOffload: random.chance(0.7),
      serverOffload: random.chance(0.7))
    let flowCount = Int.random(in: 1...8, using: &random)
    pair.client.kernel.batchMax = Int.random(in: 1...100, using: &random)
    pair.server.kernel.batchMax = Int.random(in: 1...100, using: &random)
    for flow in 0..<flowCount { pair.client.send([UInt8(flow)], from: Self.app(flow)) }
    try pair.settle()
    var flowOf: [UInt8: UInt32] = [:]
    for delivery in pair.server.takeDeliveries() { flowOf[delivery.payload[0]] = delivery.flow }
    #expect(flowOf.count == flowCount)

    var sentUp = [Int: [[UInt8]]]()
    var sentDown = [Int: [[UInt8]]]()
    for round in 0..<20 {
      for _ in 0..<Int.random(in: 0...60, using: &random) {
        let flow = Int.random(in: 0..<flowCount, using: &random)
        let size = [1, 200, 1_399, 1_400, Int.random(in: 1...1_440, using: &random)].randomElement(
          using: &random)!
        // Sometimes a train, as UDP_GRO hands it up: equal datagrams and a last one that may be shorter.
        let count = random.chance(0.2) ? Int.random(in: 2...(60_000 / size), using: &random) : 1
        let last = Int.random(in: 1...size, using: &random)
        var train: [UInt8] = []
        for part in 0..<min(count, 200) {
          let isShort = count > 1 && part == min(count, 200) - 1
          train += Self.payload(flow, round * 1_000 + part, size: isShort ? last : size)
        }
        let parts = stride(from: 0, to: train.count, by: size).map {
          Array(train[$0..<min($0 + size, train.count)])
        }
        if random.chance(0.5) {
          pair.client.send(train, partSize: size, from: Self.app(flow))
          sentUp[flow, default: []] += parts
        } else {
          pair.server.answer(train, partSize: size, flow: flowOf[UInt8(flow)]!)
          sentDown[flow, default: []] += parts
        }
      }
      try pair.step()
    }
    try pair.settle()
    let arrivedUp = Dictionary(grouping: pair.server.takeDeliveries(), by: \.flow)
    let arrivedDown = Dictionary(grouping: pair.client.takeDeliveries()) { $0.destination! }
    for flow in 0..<flowCount {
      #expect((arrivedUp[flowOf[UInt8(flow)]!] ?? []).map(\.payload) == sentUp[flow] ?? [], "seed \(seed)")
      #expect((arrivedDown[Self.app(flow)] ?? []).map(\.payload) == sentDown[flow] ?? [], "seed \(seed)")
    }
    expectBalance(pair.client, "seed \(seed)")
    expectBalance(pair.server, "seed \(seed)")
    pair.expectNoLeak(seed)
  }

  /// Loss, duplication and reordering: what arrives is whole and was sent, and nothing is stuck.
  @Test(arguments: 0..<60)
  func `a faulty link damages nothing but itself`(seed: UInt64) throws {
    var random = SeededRandom(seed: seed &+ 1_000)
    let faults = LinkFaults(
      loss: Double.random(in: 0...0.4, using: &random),
      duplication: Double.random(in: 0...0.2, using: &random),
      reordering: Double.random(in: 0...0.3, using: &random), splits: true, merges: random.chance(0.5))
    let pair = try SimulatedPair(faults, seed: seed)
    let flowCount = 4
    var sent = Set<[UInt8]>()
    var arrived: [SimulatedKernel.Delivery] = []
    for round in 0..<200 {
      for flow in 0..<flowCount where random.chance(0.8) {
        let payload = Self.payload(flow, round, size: Int.random(in: 8...1_400, using: &random))
        sent.insert(payload)
        pair.client.send(payload, from: Self.app(flow))
      }
      // A fifth of a second a step: handshakes retry, acknowledgements fall due.
      try pair.step(200_000_000)
      let batch = pair.server.takeDeliveries()
      arrived += batch
      for delivery in batch { pair.server.answer(delivery.payload, flow: delivery.flow) }
      for answer in pair.client.takeDeliveries() { #expect(sent.contains(answer.payload), "seed \(seed)") }
    }
    try pair.settle()
    for delivery in arrived { #expect(sent.contains(delivery.payload), "seed \(seed)") }
    #expect(Double(arrived.count) > Double(sent.count) * (1 - faults.loss) * 0.7, "seed \(seed)")
    expectBalance(pair.client, "seed \(seed)")
    expectBalance(pair.server, "seed \(seed)")
    pair.expectNoLeak(seed)
  }
}
