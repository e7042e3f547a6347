import Testing

@testable import DataPlane

/// One UDP source over several TCP flows (`--connections`).
@Suite struct ConnectionsTests {
  private static func app(_ number: Int) -> Endpoint { SimulationTests.app(number) }
  private static func payload(_ flow: Int, _ number: Int, size: Int) -> [UInt8] {
    SimulationTests.payload(flow, number, size: size)
  }

  /// Whatever is sent comes out once and whole, in order within each TCP flow; and so do the answers, to whom
  /// they are meant for.
  @Test(arguments: [2, 3, 8], 0..<15 as Range<UInt64>)
  func `what goes in comes out the same, and in order within a flow`(connections: Int, seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let faults = LinkFaults(splits: random.chance(0.5), merges: random.chance(0.5))
    let pair = try SimulatedPair(
      faults, seed: seed, isIPv6: random.chance(0.5), clientOffload: random.chance(0.7),
      connections: connections)
    pair.client.kernel.batchMax = Int.random(in: 1...100, using: &random)
    let sources = 3
    // By source, in the order of sending; the last two bytes count.
    var sent = [[[UInt8]]](repeating: [], count: sources)
    var arrived: [SimulatedKernel.Delivery] = []
    var answers: [SimulatedKernel.Delivery] = []
    for _ in 0..<150 {
      for _ in 0..<Int.random(in: 0...12, using: &random) {
        let source = Int.random(in: 0..<sources, using: &random)
        let size = random.chance(0.5) ? 1_400 : Int.random(in: 8...1_400, using: &random)
        let payload = Self.payload(source, sent[source].count, size: size)
        sent[source].append(payload)
        pair.client.send(payload, from: Self.app(source))
      }
      try pair.step()
      let batch = pair.server.takeDeliveries()
      arrived += batch
      for delivery in batch { pair.server.answer(delivery.payload, flow: delivery.flow) }
      answers += pair.client.takeDeliveries()
    }
    try pair.settle()
    arrived += pair.server.takeDeliveries()
    answers += pair.client.takeDeliveries()

    #expect(arrived.count == sent.reduce(0) { $0 + $1.count }, "seed \(seed)")
    #expect(Set(arrived.map(\.payload)) == Set(sent.joined()), "seed \(seed)")
    let flows = Dictionary(grouping: arrived, by: \.flow)
    #expect(flows.count == sources * connections, "seed \(seed)")
    for deliveries in flows.values {
      let numbers = deliveries.map { Self.number(of: $0.payload) }
      #expect(zip(numbers, numbers.dropFirst()).allSatisfy { $0 < $1 }, "seed \(seed)")
    }
    for answer in answers {
      #expect(answer.destination == Self.app(Self.number(of: answer.payload) >> 20), "seed \(seed)")
    }
    #expect(answers.count == pair.client.statistics[.datagramsOut])
    expectBalance(pair.client, "seed \(seed)")
    expectBalance(pair.server, "seed \(seed)")
    pair.expectNoLeak(seed)
  }

  /// Source and place among its datagrams, as `payload` wrote them.
  private static func number(of payload: [UInt8]) -> Int {
    payload.prefix(8).enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
  }

  @Test func `a batch takes one connection, and its train stays whole`() throws {
    let pair = try SimulatedPair(connections: 4)
    for _ in 0..<60 {
      pair.client.send([0], from: Self.app(0))
      try pair.step()
    }
    #expect(pair.client.flowCount == 4)
    for round in 0..<20 {
      for number in 0..<45 {
        pair.client.send(Self.payload(round, number, size: 1_400), from: Self.app(0))
      }
      try pair.client.turn()
      let packets = pair.client.takePackets().map(TestPacket.init)
      #expect(packets.map(\.payload.count) == [45 * 1_400])
    }
  }

  @Test(arguments: [2, 5, 64])
  func `batches are shared evenly, and of every source alike`(connections: Int) throws {
    let pair = try SimulatedPair(connections: connections)
    let rounds = 200 * connections
    var sequences: [Int: [UInt16]] = [:]
    for round in 0..<rounds {
      for source in 0..<2 { pair.client.send(Self.payload(source, round, size: 8), from: Self.app(source)) }
      try pair.step()
    }
    for delivery in pair.server.takeDeliveries() {
      let flow = UInt16(delivery.flow)
      sequences[Int(delivery.payload[2]) >> 4, default: []].append(flow)
    }
    for sequence in sequences.values {
      let counts = Dictionary(grouping: sequence, by: { $0 }).mapValues(\.count)
      #expect(counts.count == connections)
      // 200 each on average; the standard deviation is below 15.
      #expect(counts.values.allSatisfy { (130...270).contains($0) }, "\(counts)")
    }
    #expect(sequences.count == 2)
  }

  @Test func `a connection that is reset comes back, and the others do not notice`() throws {
    let pair = try SimulatedPair(connections: 4)
    for _ in 0..<60 {
      pair.client.send([0], from: Self.app(0))
      try pair.step()
    }
    _ = pair.client.takeEvents()
    var reset = pair.server.worker.flows[2].reset
    reset.key = FlowKey(
      remote: reset.key.remote, local: reset.key.local, remotePort: reset.key.remotePort, localPort: 4_567)
    var bytes = [UInt8](repeating: 0, count: reset.length)
    unsafe bytes.withUnsafeMutableBytes { bytes in
      var span = unsafe MutableRawSpan(_unsafeBytes: bytes)
      reset.write(into: &span)
    }
    pair.client.kernel.inputs.append(.packet(bytes))
    try pair.client.turn()
    #expect(pair.client.takeEvents().map(\.kind) == [.closedByPeer])
    for number in 0..<60 {
      pair.client.send(Self.payload(1, number, size: 8), from: Self.app(0))
      try pair.step()
    }
    try pair.settle()
    #expect(pair.client.takeEvents().map(\.kind) == [.opened])
    #expect(pair.client.flowCount == 4)
    #expect(pair.server.takeDeliveries().filter { $0.payload.count == 8 }.count == 60)
  }
}
