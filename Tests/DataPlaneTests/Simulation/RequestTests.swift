import Testing

@testable import DataPlane

/// What operators ask of a worker: to tell of its flows, to close them, to open them anew.
@Suite struct RequestTests {
  /// A client with flows of `apps`, each of which has said something.
  private func pair(apps: Int) throws -> SimulatedPair {
    let pair = try SimulatedPair()
    try exchange(pair, apps: 0..<apps)
    return pair
  }

  /// Each application sends and is answered; returns which flows of the server it took.
  @discardableResult
  private func exchange(_ pair: SimulatedPair, apps: Range<Int>) throws -> [UInt8: UInt32] {
    for number in apps { pair.client.send([UInt8(number)], from: SimulationTests.app(number)) }
    try pair.settle()
    var flowOf: [UInt8: UInt32] = [:]
    for delivery in pair.server.takeDeliveries() {
      flowOf[delivery.payload[0]] = delivery.flow
      pair.server.answer(delivery.payload, flow: delivery.flow)
    }
    try pair.settle()
    let answered = pair.client.takeDeliveries().map { [$0.payload[0]: $0.destination] }
    #expect(answered.count == apps.count)
    for number in apps { #expect(answered.contains([UInt8(number): SimulationTests.app(number)])) }
    return flowOf
  }

  /// Asks as a gateway does, piece by piece; `between` comes after each piece.
  private func ask(
    _ gateway: SimulatedGateway, _ verb: WorkerRequest.Verb, _ selection: FlowSelection = FlowSelection(),
    between: () throws -> Void = {}
  ) throws -> (count: Int, flows: [FlowSummary], pieces: Int) {
    var (count, flows, pieces) = (0, [FlowSummary](), 0)
    var request: WorkerRequest? = WorkerRequest(verb: verb, selection: selection)
    while let next = request {
      #expect(gateway.requests.ask(next))
      gateway.kernel.inputs.append(.woken)
      try gateway.turn()
      let (answer, summaries) = try #require(gateway.requests.takeAnswer())
      count += Int(answer.count)
      flows += summaries
      pieces += 1
      request = answer.next
      try between()
    }
    return (count, flows, pieces)
  }

  @Test func `a list tells of each flow what it is, from either end`() throws {
    let pair = try pair(apps: 3)
    try pair.step(2_000_000_000)
    let client = try ask(pair.client, .list).flows
    let server = try ask(pair.server, .list).flows
    #expect(Set(client.map(\.peer)) == Set((0..<3).map(SimulationTests.app)))
    for flow in client {
      #expect(
        flow.state == .established && flow.remote == Endpoint(SimulatedGateway.serverAddress, port: 4_567))
      #expect(flow.silentNanoseconds >= 2_000_000_000 && flow.ageNanoseconds >= flow.silentNanoseconds)
      // A byte each way behind the SYN of each end, and a step there and back.
      let other = try #require(server.first { $0.remote.port == flow.localPort })
      #expect(flow.sent == other.received && flow.received == other.sent)
      #expect(flow.handshakeMicroseconds > 0 && other.handshakeMicroseconds == 0)
      #expect(other.localPort == 4_567)
    }
  }

  @Test func `a list of many flows comes in pieces, each flow once`() throws {
    let pair = try pair(apps: 250)
    for number in 250..<600 { pair.client.send([1], from: SimulationTests.app(number)) }
    try pair.settle()
    let (count, flows, pieces) = try ask(pair.client, .list) { try pair.step() }
    #expect(count == 600 && pieces == 3)
    #expect(Set(flows.map(\.localPort)).count == 600)
  }

  @Test func `a selection means the flows that fit all of it`() throws {
    let pair = try pair(apps: 4)
    let all = try ask(pair.client, .list).flows
    func ports(_ change: (inout FlowSelection) -> Void) throws -> Set<UInt16> {
      var selection = FlowSelection()
      change(&selection)
      return Set(try ask(pair.client, .list, selection).flows.map(\.peer.port))
    }
    #expect(try ports { _ in } == [20_000, 20_001, 20_002, 20_003])
    let first = try #require(all.first)
    #expect(try ports { $0.localPort = first.localPort } == [first.peer.port])
    #expect(try ports { $0.peerPort = 20_002 } == [20_002])
    #expect(try ports { $0.peer = Address("127.0.0.2")! } == [])
    #expect(try ports { $0.remote = SimulatedGateway.serverAddress }.count == 4)
    #expect(try ports { $0.remotePort = 4_568 } == [])
    #expect(
      try ports {
        $0.localPort = first.localPort
        $0.peerPort = first.peer.port + 1
      } == [])
    try pair.step(5_000_000_000)
    try exchange(pair, apps: 1..<2)
    #expect(try ports { $0.silentNanoseconds = 4_000_000_000 } == [20_000, 20_002, 20_003])
  }

  @Test(arguments: [Role.client, .server])
  func `closed flows are gone at both ends, and the next datagram opens another`(_ role: Role) throws {
    let pair = try pair(apps: 3)
    let before = try ask(pair.client, .list).flows
    let doomed = try #require(before.first { $0.peer.port == 20_001 })
    var selection = FlowSelection()
    if role == .client {
      selection.localPort = doomed.localPort
    } else {
      selection.remotePort = doomed.localPort
    }
    let closer = role == .client ? pair.client : pair.server
    #expect(try ask(closer, .close, selection).count == 1)
    _ = closer.takeEvents()
    try pair.settle()
    // A client that was told of it by the server opens another at once, for a program that spoke lately.
    let left = try ask(pair.client, .list).flows
    #expect(!left.contains { $0.localPort == doomed.localPort })
    #expect(left.count == (role == .client ? 2 : 3))
    #expect(try ask(closer, .close, selection).count == 0)
    try exchange(pair, apps: 0..<3)
    let after = try ask(pair.client, .list).flows
    #expect(Set(after.map(\.peer.port)) == [20_000, 20_001, 20_002])
    #expect(Set(after.map(\.localPort)).intersection(before.map(\.localPort)).count == 2)
    #expect(pair.server.flowCount == 3)
    expectBalance(pair.client)
    expectBalance(pair.server)
    pair.expectNoLeak(0)
  }

  @Test func `closing says so in the log, and is counted`() throws {
    let pair = try pair(apps: 2)
    _ = pair.client.takeEvents()
    #expect(try ask(pair.client, .close).count == 2)
    #expect(pair.client.takeEvents().map(\.kind) == [.closedOnRequest, .closedOnRequest])
    #expect(pair.client.statistics[.flowsClosed] == 2)
  }

  /// Senders do not stop for it: what they open anew meanwhile may have any slot of the table.
  @Test func `who goes on sending loses one flow to a request, not each that follows`() throws {
    let pair = try pair(apps: 200)
    let count = try ask(pair.client, .close) {
      for number in 0..<200 { pair.client.send([1], from: SimulationTests.app(number)) }
      try pair.settle()
    }.count
    #expect(count == 200)
    #expect(pair.client.statistics[.flowsClosed] == 200)
  }

  @Test func `a flow that reconnects has another port, the same UDP side, and no gap`() throws {
    let pair = try pair(apps: 2)
    let before = try ask(pair.client, .list).flows
    var selection = FlowSelection()
    selection.peerPort = 20_000
    #expect(try ask(pair.client, .reconnect, selection).count == 1)
    #expect(try ask(pair.client, .reconnect, selection).count == 0, "it is under way")
    // Datagrams go on meanwhile, in order.
    for number in UInt8(10)..<20 {
      pair.client.send([number], from: SimulationTests.app(0))
      try pair.step()
    }
    try pair.settle()
    #expect(pair.server.takeDeliveries().map { $0.payload[0] } == Array(10..<20))
    try exchange(pair, apps: 0..<2)
    let after = try ask(pair.client, .list).flows
    #expect(after.count == 2 && pair.server.flowCount == 2)
    for port in [UInt16(20_000), 20_001] {
      let (old, new) = (before.first { $0.peer.port == port }, after.first { $0.peer.port == port })
      #expect((old?.localPort == new?.localPort) == (port == 20_001))
    }
    #expect(pair.client.statistics[.flowsReopened] == 1)
    #expect(pair.client.statistics[.handshakeFailed] == 0)
    expectBalance(pair.client)
    expectBalance(pair.server)
    pair.expectNoLeak(0)
  }

  /// Successors that are confirmed while the request walks on would otherwise be given successors again.
  @Test func `each of many flows reconnects once`() throws {
    let pair = try pair(apps: 200)
    let (count, _, pieces) = try ask(pair.client, .reconnect) { try pair.settle() }
    #expect(count == 200 && pieces >= 3)
    try exchange(pair, apps: 0..<200)
    #expect(pair.client.statistics[.flowsReopened] == 200)
    #expect(pair.client.flowCount == 200 && pair.server.flowCount == 200)
  }

  @Test func `a server opens no flows`() throws {
    let pair = try pair(apps: 2)
    #expect(try ask(pair.server, .reconnect).count == 0)
    #expect(pair.server.flowCount == 2)
  }
}
