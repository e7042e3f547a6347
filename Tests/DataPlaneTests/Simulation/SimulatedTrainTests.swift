import Testing

@testable import DataPlane

/// Trains, their acknowledgement, and how long a worker rests for them.
extension SimulationTests {
  @Test func `a train crosses a link that merges in few packets`() throws {
    let pair = try SimulatedPair()
    pair.client.send([0], from: Self.app(0))
    try pair.settle()
    for number in 0..<45 { pair.client.send(Self.payload(0, number, size: 1_400), from: Self.app(0)) }
    try pair.client.turn()
    let packets = pair.client.takePackets().map(TestPacket.init)
    #expect(packets.count == 1)
    #expect(packets[0].segmentSize == 1_400 && packets[0].payload.count == 45 * 1_400)
  }

  @Test func `flows that take turns each keep their train`() throws {
    let pair = try SimulatedPair()
    for flow in 0..<5 { pair.client.send([0], from: Self.app(flow)) }
    try pair.settle()
    for number in 0..<50 {
      pair.client.send(Self.payload(0, number, size: 1_000), from: Self.app(number % 5))
    }
    try pair.client.turn()
    let packets = pair.client.takePackets().map(TestPacket.init)
    #expect(packets.map(\.payload.count) == [10_000, 10_000, 10_000, 10_000, 10_000])
  }

  @Test func `a shorter datagram ends its train and a longer one starts another`() throws {
    let pair = try SimulatedPair()
    pair.client.send([0], from: Self.app(0))
    try pair.settle()
    for size in [500, 500, 300, 500, 600, 600, 600] {
      pair.client.send(Self.payload(0, size, size: size), from: Self.app(0))
    }
    try pair.client.turn()
    let packets = pair.client.takePackets().map(TestPacket.init)
    #expect(packets.map(\.payload.count) == [1_300, 500, 1_800])
    #expect(packets.map(\.segmentSize) == [500, 0, 600])
  }

  @Test func `the ack field stays the same within a train and moves in steps`() throws {
    let pair = try SimulatedPair()
    pair.client.send([0], from: Self.app(0))
    try pair.settle()
    let flow = pair.server.takeDeliveries()[0].flow
    var acks = Set<UInt32>()
    var pure = 0
    var received = 0
    for round in 0..<200 {
      pair.server.answer([UInt8](repeating: 7, count: 14_000), partSize: 1_400, flow: flow)
      received += 14_000
      pair.client.send(Self.payload(0, round, size: 100), from: Self.app(0))
      try pair.client.turn()
      for packet in pair.client.takePackets().map(TestPacket.init) {
        acks.insert(packet.acknowledgement)
        if packet.payload.isEmpty { pure += 1 }
      }
      try pair.server.turn()
      pair.client.kernel.inputs += pair.server.takePackets().map { .packet($0) }
    }
    #expect(pure == 0)
    #expect(acks.count <= received / Limits.ackStepBytes + 1)
    #expect(acks.count >= received / Limits.ackStepBytes)
  }

  @Test func `a one-way stream is acknowledged by less than one segment in a hundred`() throws {
    let pair = try SimulatedPair()
    pair.client.send([0], from: Self.app(0))
    try pair.settle()
    let before = pair.server.statistics[.controlSegmentsOut]
    for _ in 0..<500 {
      pair.client.send([UInt8](repeating: 1, count: 28_000), partSize: 1_400, from: Self.app(0))
      try pair.step()
    }
    let acks = pair.server.statistics[.controlSegmentsOut] - before
    #expect(acks >= 10 && acks <= 10_000 / 100)
  }

  @Test func `outstanding bytes are acknowledged within about a second on a quiet flow`() throws {
    let pair = try SimulatedPair()
    pair.client.send([1, 2, 3], from: Self.app(0))
    try pair.settle()
    let before = pair.server.statistics[.controlSegmentsOut]
    try pair.step(1_200_000_000)
    #expect(pair.server.statistics[.controlSegmentsOut] == before + 1)
    try pair.step(5_000_000_000)
    #expect(pair.server.statistics[.controlSegmentsOut] == before + 1)
  }

  @Test func `streams make a worker rest, never for long, and conversations make it poll`() throws {
    let pair = try SimulatedPair()
    pair.client.send([0], from: Self.app(0))
    try pair.settle()
    let flow = pair.server.takeDeliveries()[0].flow
    func polls(_ kernel: SimulatedKernel) -> Int {
      kernel.paces.count { $0 == .polling(for: UInt64(Limits.pollMicroseconds) * 1_000) }
    }
    func rests(_ kernel: SimulatedKernel) -> [UInt64] {
      kernel.paces.compactMap { if case .resting(let interval) = $0 { interval } else { nil } }
    }
    // Requests and answers, 50 000 a second: nobody rests.
    for _ in 0..<2_000 {
      pair.client.send([1], from: Self.app(0))
      try pair.step(20_000)
      for _ in pair.server.takeDeliveries() { pair.server.answer([2], flow: flow) }
      try pair.step(20_000)
    }
    for kernel in [pair.client.kernel, pair.server.kernel] {
      #expect(rests(kernel).isEmpty)
      #expect(polls(kernel) > 1_000)
      kernel.paces = []
    }
    // A stream of the same rate.
    for _ in 0..<2_000 {
      pair.client.send([1], from: Self.app(0))
      try pair.step(20_000)
    }
    #expect(rests(pair.client.kernel).count > 1_000)
    #expect(rests(pair.client.kernel).allSatisfy { $0 <= UInt64(Limits.moderationMicroseconds) * 1_000 })
    #expect(polls(pair.client.kernel) < 200)
    // Requests beside it, whose answers are looked for; rarely, since none comes before the clock's next step.
    func looks(_ kernel: SimulatedKernel) -> Int {
      kernel.paces.count { if case .lingering = $0 { true } else { false } }
    }
    #expect(looks(pair.client.kernel) == 0 && looks(pair.server.kernel) == 0)
    _ = pair.client.takeDeliveries()
    pair.client.send([3], from: Self.app(1))
    for _ in 0..<500 {
      pair.client.send([1], from: Self.app(0))
      try pair.step(20_000)
      for request in pair.server.takeDeliveries() where request.payload == [3] {
        pair.server.answer([4], flow: request.flow)
      }
      if !pair.client.takeDeliveries().isEmpty { pair.client.send([3], from: Self.app(1)) }
    }
    for kernel in [pair.client.kernel, pair.server.kernel] { #expect((5..<10).contains(looks(kernel))) }
    // A slow stream.
    pair.client.kernel.paces = []
    for _ in 0..<200 {
      pair.client.send([1], from: Self.app(0))
      try pair.step(1_000_000)
    }
    #expect(rests(pair.client.kernel).count < 10 && polls(pair.client.kernel) == 0)
  }
}
