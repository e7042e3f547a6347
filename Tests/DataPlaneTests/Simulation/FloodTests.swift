import Glibc
import Testing

@testable import DataPlane

/// What whoever opens flows, or sends what belongs to none, can make a gateway do (docs/decisions/0046-floods.md).
@Suite struct FloodTests {
  private static let second: UInt64 = 1_000_000_000

  /// A server and the clients that strangers are.
  private final class Flooded {
    let server: SimulatedGateway
    let sourceCounts: SourceCounts?

    init(flowCountMax: Int = 64, perSource: Int? = nil, perSecond: Int? = nil) throws {
      var plan = SimulatedGateway.plan(.server, flowCountMax: flowCountMax, workers: 1)
      plan.newFlowsPerSecond = perSecond
      var workerPlan = WorkerPlan(plan)
      var sourceCounts: SourceCounts?
      if let perSource {
        sourceCounts = try SourceCounts(
          limit: perSource, flowCountMax: flowCountMax, hash: workerPlan.keyHash)
      }
      workerPlan.sourceCounts = sourceCounts
      self.sourceCounts = sourceCounts
      server = try SimulatedGateway(workerPlan, seed: 1)
    }

    deinit { sourceCounts?.deallocate() }

    /// Sends a segment and returns what the server answered.
    func send(
      _ flags: TCPFlags, from source: Endpoint, sequence: UInt32 = 1, acknowledgement: UInt32 = 0,
      payload: [UInt8] = []
    ) throws -> [TestPacket] {
      let packet = Packet(
        from: source, to: Endpoint(SimulatedGateway.serverAddress, port: 4_567), flags, sequence: sequence,
        acknowledgement: acknowledgement, payload: payload)
      server.kernel.inputs.append(.packet([UInt8](repeating: 0, count: 12) + packet.bytes))
      try server.turn()
      return server.takePackets().map(TestPacket.init)
    }

    /// A handshake and a first datagram. Whether it was delivered.
    func open(_ source: Endpoint) throws -> Bool {
      let answer = try #require(try send(.syn, from: source, sequence: 0).first)
      #expect(answer.flags == [.syn, .ack])
      _ = try send(.ack, from: source, acknowledgement: answer.sequence &+ 1, payload: [7])
      return !server.takeDeliveries().isEmpty
    }

    func advance(_ seconds: UInt64) throws {
      server.kernel.now += seconds * FloodTests.second
      try server.turnUntilTimersAreDone()
    }
  }

  private static func source(_ number: Int, port: Int = 1_000) -> Endpoint {
    Endpoint(Address("203.0.\(113 + number >> 8).\(number & 255)")!, port: UInt16(port))
  }

  @Test func `at a full table the longest silent flow makes room, and is told`() throws {
    let flooded = try Flooded(flowCountMax: 4)
    for number in 0..<4 {
      #expect(try flooded.open(Self.source(number)))
      try flooded.advance(10)
    }
    // The first one speaks again: now it is the second's turn.
    _ = try flooded.send(.ack, from: Self.source(0), sequence: 2, payload: [8])
    try flooded.advance(20)
    _ = flooded.server.takeEvents()
    #expect(try flooded.open(Self.source(100)))
    let statistics = flooded.server.statistics
    #expect(flooded.server.flowCount == 4 && flooded.server.kernel.sockets.count == 4)
    #expect(statistics[.flowsDisplaced] == 1 && statistics[.flowTableFull] == 0)
    let closed = try #require(flooded.server.takeEvents().first { $0.kind == .closedForRoom })
    #expect(closed.remote == Self.source(1) && (40...70).contains(closed.detail))
    #expect(try flooded.send(.ack, from: Self.source(1), payload: [9]).map(\.flags) == [[.rst, .ack]])
    _ = flooded.server.takeDeliveries()
    for number in [0, 2, 3] {
      _ = try flooded.send(.ack, from: Self.source(number), sequence: 3, payload: [9])
      #expect(flooded.server.takeDeliveries().count == 1, "flow \(number)")
    }
    expectBalance(flooded.server)
  }

  @Test func `flows that have spoken lately are not driven out`() throws {
    let flooded = try Flooded(flowCountMax: 4)
    for number in 0..<4 { #expect(try flooded.open(Self.source(number))) }
    try flooded.advance(29)
    for number in 100..<110 { #expect(try !flooded.open(Self.source(number))) }
    let statistics = flooded.server.statistics
    #expect(statistics[.flowTableFull] == 10 && statistics[.flowsDisplaced] == 0)
    try flooded.advance(2)
    #expect(try flooded.open(Self.source(100)))
    expectBalance(flooded.server)
  }

  @Test func `where ports are used up before the table is, room is made as well`() throws {
    let flooded = try Flooded()
    #expect(try flooded.open(Self.source(0)))
    try flooded.advance(31)
    flooded.server.kernel.socketFailures = [EAGAIN]
    #expect(try flooded.open(Self.source(1)))
    #expect(flooded.server.statistics[.flowsDisplaced] == 1 && flooded.server.flowCount == 1)
    flooded.server.kernel.socketFailures = [EAGAIN]
    #expect(try !flooded.open(Self.source(2)))
    flooded.server.kernel.socketFailures = [EACCES]
    try flooded.advance(31)
    #expect(try !flooded.open(Self.source(3)))
    #expect(flooded.server.statistics[.socketUnavailable] == 2 && flooded.server.flowCount == 1)
    expectBalance(flooded.server)
  }

  @Test func `a client whose flows are used up gives the longest silent one's place to a new program`() throws
  {
    let client = try SimulatedGateway(.client, flowCountMax: 2)
    let programs = (1...3).map { Endpoint(Address("127.0.0.1")!, port: UInt16($0)) }
    client.send([1], from: programs[0])
    client.send([1], from: programs[1])
    try client.turn()
    client.send([1], from: programs[2])
    try client.turn()
    #expect(client.statistics[.flowTableFull] == 1 && client.flowCount == 2)
    #expect(client.statistics.uplinkDrops(of: .client) == 1)
    let server = try SimulatedGateway(.server)
    for _ in 0..<3 {
      server.kernel.inputs += client.takePackets().map { .packet($0) }
      try server.turn()
      client.kernel.inputs += server.takePackets().map { .packet($0) }
      try client.turn()
    }
    client.kernel.now += 31 * Self.second
    client.send([1], from: programs[1])
    client.send([1], from: programs[2])
    try client.turn()
    #expect(client.statistics[.flowsDisplaced] == 1 && client.flowCount == 2)
    #expect(client.takePackets().map(TestPacket.init).contains { $0.flags == .rst })
    #expect(client.takeEvents().last { $0.kind == .closedForRoom }?.peer == programs[0])
  }

  @Test func `one source has as many flows as it may, and others have theirs`() throws {
    let flooded = try Flooded(perSource: 3)
    for port in 1...3 { #expect(try flooded.open(Self.source(0, port: port))) }
    for port in 4...9 { #expect(try !flooded.open(Self.source(0, port: port))) }
    #expect(try flooded.open(Self.source(1)))
    #expect(flooded.server.statistics[.sourceFlowsFull] == 6)
    #expect(flooded.server.takeEvents().filter { $0.kind == .sourceFlowsFull }.map(\.limit) == [3])
    // One that ends gives its place back.
    let reset = try flooded.send(.rst, from: Self.source(0, port: 1), sequence: 2)
    #expect(reset.isEmpty && flooded.server.flowCount == 3)
    #expect(try flooded.open(Self.source(0, port: 4)))
    #expect(try !flooded.open(Self.source(0, port: 5)))
    expectBalance(flooded.server)
  }

  @Test func `whoever may have no more flows leaves the number of a second to others`() throws {
    let flooded = try Flooded(perSource: 1, perSecond: 4)
    #expect(try flooded.open(Self.source(0, port: 1)))
    for port in 2...40 { #expect(try !flooded.open(Self.source(0, port: port))) }
    for number in 1...3 { #expect(try flooded.open(Self.source(number))) }
    #expect(try !flooded.open(Self.source(4)))
    #expect(flooded.server.statistics[.sourceFlowsFull] == 39 && flooded.server.statistics[.newFlowRate] == 1)
    // The one that came too soon is not counted among its source's.
    try flooded.advance(1)
    #expect(try flooded.open(Self.source(4)))
    expectBalance(flooded.server)
  }

  @Test func `so many new flows a second and no more, and the datagrams of the others go on`() throws {
    let flooded = try Flooded(flowCountMax: 256, perSecond: 10)
    let opened = try (0..<50).count { try flooded.open(Self.source($0)) }
    #expect(opened == 10 && flooded.server.statistics[.newFlowRate] == 40)
    _ = try flooded.send(.ack, from: Self.source(0), sequence: 2, payload: [8])
    #expect(flooded.server.takeDeliveries().count == 1)
    try flooded.advance(1)
    #expect(try (50..<100).count { try flooded.open(Self.source($0)) } == 10)
    #expect(flooded.server.takeEvents().filter { $0.kind == .newFlowRate }.map(\.limit) == [10, 10])
    expectBalance(flooded.server)
  }

  @Test func `strangers get so many resets a second, and are counted beyond that`() throws {
    let flooded = try Flooded()
    var answers = 0
    for number in 0..<3_000 {
      answers += try flooded.send(.ack, from: Self.source(number & 255, port: 1_000 + number), payload: [1])
        .count
    }
    #expect(answers == Limits.resetsPerSecond)
    var statistics = flooded.server.statistics
    #expect(statistics[.resetsSent] == 1_000 && statistics[.resetsWithheld] == 2_000)
    #expect(statistics[.unknownFlow] == 3_000)
    // Resets are never answered, so that two ends cannot keep each other busy.
    try flooded.advance(1)
    #expect(try flooded.send(.rst, from: Self.source(1)).isEmpty)
    #expect(try flooded.send([.rst, .ack], from: Self.source(1)).isEmpty)
    #expect(try flooded.send(.ack, from: Self.source(1), payload: [1]).count == 1)
    // SYNs are answered all the same.
    #expect(try flooded.open(Self.source(1)))
    statistics = flooded.server.statistics
    #expect(statistics[.cookiesSent] == 1 && statistics[.resetsSent] == 1_001)
    expectBalance(flooded.server)
  }
}
