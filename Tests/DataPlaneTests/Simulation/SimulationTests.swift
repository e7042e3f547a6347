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

  @Test func `the server acknowledges at once, before it has anything to send`() throws {
    let pair = try SimulatedPair()
    pair.client.send([1], from: Self.app(0))
    try pair.client.turn()
    let syn = pair.client.takePackets()
    pair.server.kernel.inputs = syn.map { .packet($0) }
    try pair.server.turn()
    pair.client.kernel.inputs = pair.server.takePackets().map { .packet($0) }
    try pair.client.turn()
    pair.server.kernel.inputs = pair.client.takePackets().map { .packet($0) }
    try pair.server.turn()
    let answer = pair.server.takePackets().map(TestPacket.init)
    #expect(answer.count == 1)
    #expect(answer[0].flags == .ack && answer[0].payload.isEmpty)
  }

  @Test func `datagrams sent during the handshake come out in order`() throws {
    let pair = try SimulatedPair()
    let sent = (0..<40).map { Self.payload(0, $0, size: 100 + $0) }
    for payload in sent { pair.client.send(payload, from: Self.app(0)) }
    try pair.settle()
    #expect(pair.server.takeDeliveries().map(\.payload) == sent)
  }

  @Test func `the queue of a running handshake is bounded in datagrams and bytes`() throws {
    let pair = try SimulatedPair()
    for number in 0..<600 { pair.client.send(Self.payload(0, number, size: 10), from: Self.app(0)) }
    for number in 0..<600 { pair.client.send(Self.payload(1, number, size: 1_400), from: Self.app(1)) }
    try pair.settle(steps: 20)
    let arrived = pair.server.takeDeliveries()
    #expect(arrived.filter { $0.payload.count == 10 }.count == Limits.pendingDatagramsPerFlow)
    #expect(arrived.filter { $0.payload.count == 1_400 }.count == Limits.pendingBytesPerFlow / 1_400)
    expectBalance(pair.client)
  }

  /// Behind a NAT, more than 64 KiB before the server's first segment would make conntrack give up the flow.
  @Test func `a client sends no more than a first flight before it has heard from the server`() throws {
    let pair = try SimulatedPair()
    for number in 0..<30 { pair.client.send(Self.payload(0, number, size: 1_400), from: Self.app(0)) }
    try pair.step()
    // SYN|ACK is here; the answer to what follows is not.
    for number in 30..<70 { pair.client.send(Self.payload(0, number, size: 1_400), from: Self.app(0)) }
    try pair.client.turn()
    let flight = pair.client.takePackets()
    let bytes = flight.map(TestPacket.init).reduce(0) { $0 + $1.payload.count }
    #expect(bytes > 40_000 && bytes <= Limits.firstFlightBytes)
    pair.server.kernel.inputs = flight.map { .packet($0) }
    try pair.server.turn()
    pair.client.kernel.inputs = pair.server.takePackets().map { .packet($0) }
    try pair.settle()
    let arrived = pair.server.takeDeliveries().map(\.payload)
    #expect(arrived == (0..<arrived.count).map { Self.payload(0, $0, size: 1_400) })
    #expect(arrived.count == 70 - Int(pair.client.statistics[.handshakeQueueFull]))
    #expect(arrived.count > Limits.firstFlightBytes / 1_400)
    expectBalance(pair.client)
  }

  @Test func `a client does not wait long for a server that says nothing`() throws {
    let pair = try SimulatedPair()
    for number in 0..<30 { pair.client.send(Self.payload(0, number, size: 1_400), from: Self.app(0)) }
    try pair.step()
    for number in 30..<50 { pair.client.send(Self.payload(0, number, size: 1_400), from: Self.app(0)) }
    try pair.client.turn()
    var sent = pair.client.takePackets().map(TestPacket.init).reduce(0) { $0 + $1.payload.count }
    #expect(sent <= Limits.firstFlightBytes)
    pair.client.kernel.now += Limits.confirmationNanosecondsMin + 100_000_000
    try pair.client.turn()
    sent += pair.client.takePackets().map(TestPacket.init).reduce(0) { $0 + $1.payload.count }
    #expect(sent == 50 * 1_400)
    expectBalance(pair.client)
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

  @Test func `a flow without traffic ends with a reset at both ends`() throws {
    let pair = try SimulatedPair()
    pair.client.send([1], from: Self.app(0))
    try pair.settle()
    try pair.step(2_000_000_000)
    try pair.settle()
    pair.client.kernel.now += 181_000_000_000
    try pair.client.turn()
    let packets = pair.client.takePackets()
    let reset = TestPacket(packets[0])
    #expect(reset.flags == .rst && reset.acknowledgement == 0)
    pair.server.kernel.inputs = packets.map { .packet($0) }
    try pair.server.turn()
    #expect(pair.client.flowCount == 0)
    #expect(pair.server.flowCount == 0)
    #expect(pair.server.kernel.sockets.isEmpty)
    #expect(pair.client.takeEvents().map(\.kind) == [.opened, .closedIdle])
    #expect(pair.server.takeEvents().map(\.kind) == [.opened, .closedByPeer])
  }

  @Test func `a server that forgot its flows resets them and the next datagram opens anew`() throws {
    let pair = try SimulatedPair()
    pair.client.send([1], from: Self.app(0))
    try pair.settle()
    let other = try SimulatedGateway(.server)
    pair.client.send([2], from: Self.app(0))
    try pair.client.turn()
    other.kernel.inputs = pair.client.takePackets().map { .packet($0) }
    try other.turn()
    let answer = other.takePackets()
    #expect(TestPacket(answer[0]).flags == [.rst, .ack])
    pair.client.kernel.inputs = answer.map { .packet($0) }
    try pair.client.turn()
    #expect(pair.client.flowCount == 0)
    pair.client.send([3], from: Self.app(0))
    for _ in 0..<4 {
      try pair.client.turn()
      other.kernel.inputs += pair.client.takePackets().map { .packet($0) }
      try other.turn()
      pair.client.kernel.inputs += other.takePackets().map { .packet($0) }
    }
    #expect(other.takeDeliveries().map(\.payload) == [[3]])
  }

  @Test func `an unanswered handshake is retried each second and given up with its datagrams counted`() throws
  {
    let client = try SimulatedGateway(.client)
    client.send([1], from: Self.app(0))
    client.send([2], from: Self.app(0))
    try client.turn()
    for _ in 0..<8 {
      client.kernel.now += 1_100_000_000
      try client.turn()
    }
    let syns = client.takePackets().map(TestPacket.init)
    #expect(syns.count == Int(Limits.synTries))
    #expect(syns.allSatisfy { $0.flags == .syn && $0.sequence == 0 && $0.options == [1, 3, 3, 14] })
    #expect(client.statistics[.handshakeFailed] == 2)
    #expect(client.flowCount == 0)
    #expect(client.takeEvents().map(\.kind) == [.closedUnanswered])
    expectBalance(client)
  }

  @Test func `a refused client tries again a little later, and what waited still goes`() throws {
    let pair = try SimulatedPair()
    for number in 0..<50 { pair.client.send([UInt8(number)], from: Self.app(0)) }
    try pair.client.turn()
    let syns = pair.client.takePackets().map(TestPacket.init)
    #expect(syns.count == 1)
    var refusal = syns[0]
    (refusal.source, refusal.destination) = (refusal.destination, refusal.source)
    (refusal.ports.0, refusal.ports.1) = (refusal.ports.1, refusal.ports.0)
    (refusal.flags, refusal.acknowledgement, refusal.options) = ([.rst, .ack], 1, [])
    pair.client.kernel.inputs = [.packet(refusal.bytes)]
    for number in 50..<60 { pair.client.send([UInt8(number)], from: Self.app(0)) }
    try pair.client.turn()
    #expect(pair.client.takePackets().isEmpty)
    pair.client.kernel.now += Limits.refusalNanoseconds + 100_000_000
    try pair.settle()
    #expect(pair.server.takeDeliveries().map(\.payload) == (0..<60).map { [$0] })
    expectBalance(pair.client)
  }

  @Test func `only streams make a worker rest, and never for long`() throws {
    let pair = try SimulatedPair()
    pair.client.send([0], from: Self.app(0))
    try pair.settle()
    let flow = pair.server.takeDeliveries()[0].flow
    // Requests and answers, 50 000 a second: nobody rests.
    for _ in 0..<2_000 {
      pair.client.send([1], from: Self.app(0))
      try pair.step(20_000)
      for _ in pair.server.takeDeliveries() { pair.server.answer([2], flow: flow) }
      try pair.step(20_000)
    }
    #expect(pair.client.kernel.rests.isEmpty && pair.server.kernel.rests.isEmpty)
    // A stream of the same rate.
    for _ in 0..<2_000 {
      pair.client.send([1], from: Self.app(0))
      try pair.step(20_000)
    }
    #expect(pair.client.kernel.rests.count > 1_000)
    #expect(pair.client.kernel.rests.allSatisfy { $0 <= UInt64(Limits.moderationMicroseconds) * 1_000 })
    // A slow stream.
    let before = pair.client.kernel.rests.count
    for _ in 0..<200 {
      pair.client.send([1], from: Self.app(0))
      try pair.step(1_000_000)
    }
    #expect(pair.client.kernel.rests.count < before + 10)
  }

  @Test func `SYNs alone leave nothing behind at the server`() throws {
    let server = try SimulatedGateway(.server, flowCountMax: 16)
    for number in 0..<5_000 {
      var syn = TestPacket(Self.synPacket)
      syn.ports.0 = UInt16(1_024 + number)
      server.kernel.inputs.append(.packet(syn.bytes))
    }
    try server.turn()
    #expect(server.flowCount == 0)
    #expect(server.takePackets().count == 5_000)
    expectBalance(server)
  }

  @Test func `a lost third packet is made good by the first data`() throws {
    let pair = try SimulatedPair()
    pair.client.send([1], from: Self.app(0))
    try pair.step()
    try pair.client.turn()
    var packets = pair.client.takePackets().map(TestPacket.init)
    #expect(packets[0].flags == .ack && packets[0].payload.isEmpty)
    packets.removeFirst()
    pair.server.kernel.inputs = packets.map { .packet($0.bytes) }
    try pair.server.turn()
    #expect(pair.server.takeDeliveries().map(\.payload) == [[1]])
  }

  @Test func `the handshake packet goes first, from whichever end has it`() throws {
    let pair = try SimulatedPair()
    let withPacket = try SimulatedGateway(.client, handshakePacket: [9, 9, 9])
    withPacket.send([1], from: Self.app(0))
    withPacket.send([2], from: Self.app(0))
    for _ in 0..<4 {
      try withPacket.turn()
      pair.server.kernel.inputs += withPacket.takePackets().map { .packet($0) }
      try pair.server.turn()
      withPacket.kernel.inputs += pair.server.takePackets().map { .packet($0) }
    }
    #expect(pair.server.takeDeliveries().map(\.payload) == [[9, 9, 9], [1], [2]])
  }

  @Test(arguments: [Int32(22), 5])
  func `a super-packet that TUN refuses goes out one by one`(errno: Int32) throws {
    let pair = try SimulatedPair()
    pair.client.send([0], from: Self.app(0))
    try pair.settle()
    _ = pair.server.takeDeliveries()
    pair.client.kernel.writeFailures = [errno]
    let sent = (0..<30).map { Self.payload(0, $0, size: 1_000) }
    for payload in sent { pair.client.send(payload, from: Self.app(0)) }
    try pair.settle()
    #expect(pair.server.takeDeliveries().map(\.payload) == sent)
    #expect(pair.client.statistics[.tunWriteFailed] == 0)
    expectBalance(pair.client)
    pair.expectNoLeak(0)
  }

  @Test(arguments: [Int32(22), 5])
  func `a train of datagrams that UDP refuses goes out one by one`(errno: Int32) throws {
    let pair = try SimulatedPair()
    pair.client.send([0], from: Self.app(0))
    try pair.settle()
    _ = pair.server.takeDeliveries()
    pair.server.kernel.sendFailures = [errno]
    let sent = (0..<30).map { Self.payload(0, $0, size: 1_000) }
    for payload in sent { pair.client.send(payload, from: Self.app(0)) }
    try pair.settle()
    #expect(pair.server.takeDeliveries().map(\.payload) == sent)
    expectBalance(pair.server)
    pair.expectNoLeak(0)
  }

  @Test func `what the kernel refuses for good is counted`() throws {
    let pair = try SimulatedPair()
    pair.client.send([0], from: Self.app(0))
    try pair.settle()
    pair.client.kernel.writeFailures = [12]
    pair.client.send([1], from: Self.app(0))
    try pair.settle()
    #expect(pair.client.statistics[.tunWriteFailed] == 1)
    pair.server.kernel.sendFailures = [11]
    pair.client.send([1], from: Self.app(0))
    try pair.settle()
    #expect(pair.server.statistics[.udpSendBufferFull] == 1)
    expectBalance(pair.client)
    expectBalance(pair.server)
  }

  @Test func `a socket that cannot be opened costs its flow alone`() throws {
    let pair = try SimulatedPair()
    pair.server.kernel.socketFailures = [24]
    pair.client.send([1], from: Self.app(0))
    try pair.settle()
    #expect(pair.server.statistics[.socketUnavailable] >= 1)
    // The next segment still carries the cookie.
    pair.client.send([2], from: Self.app(0))
    try pair.settle()
    #expect(pair.server.takeDeliveries().map(\.payload) == [[1], [2]])
    expectBalance(pair.server)
  }

  @Test func `a gateway that ends resets its flows`() throws {
    let pair = try SimulatedPair()
    for flow in 0..<3 { pair.client.send([1], from: Self.app(flow)) }
    try pair.settle()
    pair.server.stop()
    let packets = pair.server.takePackets().map(TestPacket.init)
    #expect(packets.map(\.flags) == [.rst, .rst, .rst])
    pair.client.kernel.inputs = packets.map { .packet($0.bytes) }
    try pair.client.turn()
    #expect(pair.client.flowCount == 0)
  }

  @Test func `oversized and empty datagrams are counted and reported once`() throws {
    let pair = try SimulatedPair()
    pair.client.send([1], from: Self.app(0))
    try pair.settle()
    _ = pair.client.takeEvents()
    for size in [1_461, 1_500, 0, 9_000] {
      pair.client.send([UInt8](repeating: 1, count: size), from: Self.app(0))
    }
    pair.client.send([5], from: Self.app(0))
    try pair.settle()
    #expect(pair.client.statistics[.datagramTooLarge] == 3)
    #expect(pair.client.statistics[.emptyDatagram] == 1)
    #expect(pair.server.takeDeliveries().map(\.payload) == [[1], [5]])
    let events = pair.client.takeEvents()
    #expect(events.count == 1 && events[0].kind == .datagramTooLarge)
    #expect(events[0].detail == 1_461 && events[0].limit == 1_460)
    expectBalance(pair.client)
  }

  /// Garbage on TUN while a flow is live: nothing traps, everything is counted, the flow loses nothing.
  @Test(arguments: 0..<20)
  func `garbage from the network disturbs nobody`(seed: UInt64) throws {
    var random = SeededRandom(seed: seed &+ 77)
    let pair = try SimulatedPair()
    pair.client.send([0], from: Self.app(0))
    try pair.settle()
    _ = pair.server.takeDeliveries()
    pair.client.send([1], from: Self.app(0))
    try pair.client.turn()
    let good = pair.client.takePackets()[0]
    for _ in 0..<500 {
      var bytes = random.chance(0.5) ? good : (0..<Int.random(in: 0...200, using: &random)).map { _ in 0 }
      // Without the kernel's word for the checksum, damage is found by it.
      if !bytes.isEmpty { bytes[0] = 0 }
      for _ in 0..<Int.random(in: 1...6, using: &random) where bytes.count > 12 {
        bytes[Int.random(in: 12..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      if random.chance(0.3) {
        bytes = Array(bytes.prefix(Int.random(in: 0...max(0, bytes.count), using: &random)))
      }
      if Self.hasValidChecksum(bytes) { bytes[Self.checksumAt] ^= 1 }
      pair.server.kernel.inputs.append(.packet(bytes))
    }
    try pair.server.turn()
    #expect(pair.server.takeDeliveries().isEmpty, "seed \(seed)")
    pair.server.kernel.inputs.append(.packet(good))
    try pair.server.turn()
    #expect(pair.server.takeDeliveries().map(\.payload) == [[1]], "seed \(seed)")
    #expect(pair.server.statistics.downlinkDrops == 500, "seed \(seed)")
    expectBalance(pair.server, "seed \(seed)")
  }

  /// Where a segment without IP options has its checksum, behind a vnet header.
  private static let checksumAt = 12 + 20 + 16

  /// Whether damage happens to have left, or made, a checksum valid: one in 65 536 has.
  private static func hasValidChecksum(_ frame: [UInt8]) -> Bool {
    guard frame.count > checksumAt + 1 else { return false }
    let ip = frame[12...]
    let length = min(Int(ip[14]) << 8 | Int(ip[15]), ip.count)
    guard length >= 20 else { return false }
    let segment = ip.dropFirst(20).prefix(length - 20)
    let size = segment.count
    return naiveSum(Array(ip[24..<32]) + [0, 6, UInt8(size >> 8), UInt8(size & 0xff)] + segment) == 0xffff
  }

  /// A SYN from the client's address to the server's.
  static var synPacket: [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 12 + 20 + 24)
    let key = FlowKey(
      remote: SimulatedGateway.serverAddress, local: SimulatedGateway.clientAddress, remotePort: 4_567,
      localPort: 1_024)
    let header = SegmentHeader(
      key: key, sequence: SequenceNumber(0), acknowledgement: SequenceNumber(0), flags: .syn)
    unsafe bytes.withUnsafeMutableBytes { bytes in
      var span = unsafe MutableRawSpan(_unsafeBytes: bytes)
      header.write(into: &span)
    }
    return bytes
  }
}
