import Testing

@testable import DataPlane

/// How flows begin.
extension SimulationTests {
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
    let question = pair.client.takePackets().map(TestPacket.init)
    #expect(question.map(\.flags) == [.ack] && question[0].payload.isEmpty && question[0].sequence == 0)
    pair.client.kernel.now += Limits.probeIntervalNanoseconds + 100_000_000
    try pair.client.turn()
    sent += pair.client.takePackets().map(TestPacket.init).reduce(0) { $0 + $1.payload.count }
    #expect(sent == 50 * 1_400)
    expectBalance(pair.client)
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
