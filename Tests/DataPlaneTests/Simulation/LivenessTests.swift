import Testing

@testable import DataPlane

/// Paths that go dead, and come back, and servers that move.
@Suite struct LivenessTests {
  private let second: UInt64 = 1_000_000_000
  private let app = SimulationTests.app(0)

  /// A client whose application sends with every step, and whose servers' services answer.
  private final class Traffic {
    let net: SimulatedServers
    private(set) var answers: [(at: UInt64, payload: [UInt8])] = []
    private(set) var deliveries: [(server: Int, flow: UInt32)] = []
    private var count = 0
    var isAnswered = true

    init(_ net: SimulatedServers) { self.net = net }

    func exchange() {
      count += 1
      net.client.send(SimulationTests.payload(0, count, size: 100), from: SimulationTests.app(0))
      serve()
    }

    func serve() {
      for (number, server) in net.servers.enumerated() {
        for delivery in server.takeDeliveries() {
          deliveries.append((number, delivery.flow))
          if isAnswered { server.answer(delivery.payload, flow: delivery.flow) }
        }
      }
      answers += net.client.takeDeliveries().map { (net.now, $0.payload) }
    }

    func firstAnswer(after moment: UInt64) -> UInt64? { answers.first { $0.at > moment }?.at }
  }

  private func kinds(_ gateway: SimulatedGateway) -> [FlowEvent.Kind] { gateway.takeEvents().map(\.kind) }

  @Test func `after a cut of half a minute the same flow goes on within a second`() throws {
    let net = try SimulatedServers()
    let traffic = Traffic(net)
    try net.run(seconds: 3, each: traffic.exchange)
    net.passes = { _, _ in false }
    try net.run(seconds: 30, each: traffic.exchange)
    #expect(kinds(net.client) == [.opened, .suspended])
    net.passes = { _, _ in true }
    let back = net.now
    try net.run(seconds: 3, each: traffic.exchange)
    let first = try #require(traffic.firstAnswer(after: back))
    #expect(first - back <= second + 100_000_000)
    #expect(kinds(net.client) == [.resumed])
    #expect(net.client.flowCount == 1 && net.client.statistics[.flowsReopened] == 0)
    // The service has seen one peer all the time.
    #expect(Set(traffic.deliveries.map(\.flow)).count == 1)
    #expect(net.client.statistics[.flowsOpened] - net.client.statistics[.flowsClosed] == 1)
    expectBalance(net.client)
  }

  @Test
  func `where the path has forgotten the flow, another port takes it on, and answers find the application`()
    throws
  {
    let net = try SimulatedServers()
    let traffic = Traffic(net)
    try net.run(seconds: 3, each: traffic.exchange)
    let port = net.ports(since: 0)[0]
    let cut = net.now
    // A NAT that was restarted lets nothing of the old flow through, and tells nobody.
    net.passes = { packet, _ in packet.ports.0 != port && packet.ports.1 != port }
    try net.run(seconds: 6, each: traffic.exchange)
    let first = try #require(traffic.firstAnswer(after: cut + second))
    #expect(first - cut < 5 * second)
    #expect(kinds(net.client) == [.opened, .suspended, .reopened])
    #expect(net.client.flowCount == 1 && net.client.statistics[.flowsReopened] == 1)
    #expect(net.client.statistics[.flowsOpened] - net.client.statistics[.flowsClosed] == 1)
    // What waited meanwhile has arrived: half a second of it, at least.
    #expect(net.client.statistics[.handshakeFailed] == 0)
    expectBalance(net.client)
  }

  @Test func `a cut that is over before four seconds changes nothing`() throws {
    let net = try SimulatedServers()
    let traffic = Traffic(net)
    try net.run(seconds: 2, each: traffic.exchange)
    net.passes = { _, _ in false }
    try net.run(seconds: 3.8, each: traffic.exchange)
    net.passes = { _, _ in true }
    try net.run(seconds: 2, each: traffic.exchange)
    #expect(kinds(net.client) == [.opened])
    #expect(net.syns().count == 1)
  }

  @Test func `ten minutes of traffic one way is no dead path`() throws {
    let net = try SimulatedServers()
    for isUp in [true, false] {
      for _ in 0..<3_000 {
        if isUp { net.client.send([1], from: app) } else { net.servers[0].answer([2], flow: 0) }
        try net.step(200_000_000)
        _ = net.servers[0].takeDeliveries()
        _ = net.client.takeDeliveries()
      }
    }
    #expect(kinds(net.client) == [.opened])
    #expect(net.client.statistics[.probes] == 0, "its own server acknowledges in time")
    #expect(net.syns().count == 1)
  }

  /// Tenths of a second between requests: a resolver's, a heartbeat, and what keeps a mapping of UDP alive.
  @Test(arguments: [3, 7, 15, 50, 250])
  func `ten minutes of requests and answers, however rare, are nothing but that on the wire`(tenths: Int)
    throws
  {
    let net = try SimulatedServers()
    let traffic = Traffic(net)
    func exchange() throws {
      traffic.exchange()
      for _ in 0..<tenths {
        try net.step(100_000_000)
        traffic.serve()
      }
    }
    for _ in 0..<2 { try exchange() }
    let ends = [net.client, net.servers[0]]
    let before = ends.map { $0.statistics[.controlSegmentsOut] }
    let exchanges = 6_000 / tenths
    for _ in 0..<exchanges { try exchange() }
    #expect(traffic.answers.count == exchanges + 2)
    #expect(ends.map { $0.statistics[.controlSegmentsOut] } == before)
    #expect(net.client.statistics[.probes] == 0)
  }

  @Test func `a flow that the server wakes is given up as soon as any other`() throws {
    let net = try SimulatedServers()
    let traffic = Traffic(net)
    try net.run(seconds: 3, each: traffic.exchange)
    // Until nothing but the keepalive is due.
    try net.run(seconds: 40, milliseconds: 100)
    net.servers[0].answer([2], flow: 0)
    try net.step(10_000_000)
    #expect(net.client.takeDeliveries().count >= 1)
    net.passes = { _, _ in false }
    let cut = net.now
    var suspended: UInt64?
    while suspended == nil, net.now < cut + 30 * second {
      net.client.send([1], from: app)
      try net.step(100_000_000)
      if kinds(net.client).contains(.suspended) { suspended = net.now }
    }
    #expect(try #require(suspended) - cut < 6 * second)
  }

  @Test func `an end that answers nothing but a handshake is left alone`() throws {
    let net = try SimulatedServers()
    net.passes = { packet, _ in packet.ports.0 != 4_567 || packet.flags.contains(.syn) }
    for _ in 0..<2_000 {
      net.client.send([1], from: app)
      try net.step(100_000_000)
    }
    #expect(kinds(net.client) == [.opened])
    #expect(net.syns().count == 1)
    #expect(net.client.statistics[.probes] < 40)
  }

  @Test func `while nothing waits, tries become rare, and a datagram is worth one at once`() throws {
    let net = try SimulatedServers()
    let traffic = Traffic(net)
    try net.run(seconds: 1, each: traffic.exchange)
    net.passes = { _, _ in false }
    try net.run(seconds: 120, milliseconds: 100)
    let quiet = net.syns(since: 30 * second)
    // The keepalive went at a minute: 1, 2, 4 … s apart from then on.
    #expect((3...8).contains(quiet.count), "\(quiet.count) SYNs")
    let before = net.now
    net.client.send([1], from: app)
    try net.run(seconds: 1)
    #expect(net.syns(since: before).count >= 1)
    net.passes = { _, _ in true }
    try net.run(seconds: 3, each: traffic.serve)
    #expect(net.servers[0].statistics[.datagramsOut] == 51)
    expectBalance(net.client)
  }

  @Test func `a cut flow that nobody uses ends at its idle timeout, with its successor`() throws {
    let net = try SimulatedServers()
    let traffic = Traffic(net)
    try net.run(seconds: 1, each: traffic.exchange)
    net.passes = { _, _ in false }
    try net.run(seconds: 185, milliseconds: 100)
    #expect(kinds(net.client) == [.opened, .suspended, .closedIdle])
    #expect(net.client.flowCount == 0)
    #expect(net.client.worker.ports.takenCount == 0)
    #expect(net.client.statistics[.flowsOpened] == net.client.statistics[.flowsClosed])
  }

  @Test func `keepalives do not put off the idle timeout`() throws {
    let net = try SimulatedServers()
    let traffic = Traffic(net)
    try net.run(seconds: 1, each: traffic.exchange)
    try net.run(seconds: 182, milliseconds: 100)
    // The server may be the first to notice.
    let kinds = kinds(net.client)
    #expect(kinds == [.opened, .closedIdle] || kinds == [.opened, .closedByPeer])
    #expect((2...3).contains(net.client.statistics[.probes]))
    #expect(net.servers[0].flowCount == 0)
  }

  @Test func `a server that moves to another address is followed`() throws {
    let net = try SimulatedServers(2, known: 1)
    let traffic = Traffic(net)
    try net.run(seconds: 2, each: traffic.exchange)
    net.passes = { _, server in server != 0 }
    try net.run(seconds: 30, each: traffic.exchange)
    #expect(net.remotes.takeLookUpWish())
    let moved = net.now
    net.remotes.write([SimulatedServers.endpoint(1)])
    net.client.kernel.inputs.append(.woken)
    try net.run(seconds: 2, each: traffic.exchange)
    let first = try #require(traffic.firstAnswer(after: moved))
    #expect(first - moved < 200_000_000)
    #expect(kinds(net.client) == [.opened, .suspended, .reopened])
    #expect(net.client.flowCount == 1)
    #expect(traffic.deliveries.last?.server == 1)
    expectBalance(net.client)
  }

  /// What supervision does: looks the name up when that is wanted, and tells what it has found a moment later.
  private func follow(_ net: SimulatedServers, to server: Int) {
    guard net.remotes.takeLookUpWish() else { return }
    net.remotes.write([SimulatedServers.endpoint(server)])
    net.client.kernel.inputs.append(.woken)
  }

  @Test func `a server that moves under traffic is found within two seconds`() throws {
    let net = try SimulatedServers(2, known: 1)
    let traffic = Traffic(net)
    try net.run(seconds: 3, each: traffic.exchange)
    #expect(!net.remotes.takeLookUpWish(), "nothing is looked up while all is well")
    let moved = net.now
    net.passes = { _, server in server != 0 }
    try net.run(seconds: 4) {
      traffic.exchange()
      follow(net, to: 1)
    }
    let first = try #require(traffic.firstAnswer(after: moved + second))
    #expect(first - moved < 2 * second, "\(first - moved) ns")
    #expect(kinds(net.client) == [.opened, .suspended, .reopened])
    #expect(net.client.flowCount == 1)
    expectBalance(net.client)
  }

  @Test func `a name that has moved is no reason to leave a server that answers, whichever way traffic goes`()
    throws
  {
    let net = try SimulatedServers(2, known: 1)
    let traffic = Traffic(net)
    try net.run(seconds: 1, each: traffic.exchange)
    net.remotes.write([SimulatedServers.endpoint(1)])
    net.client.kernel.inputs.append(.woken)
    traffic.isAnswered = false
    try net.run(seconds: 60, each: traffic.exchange)
    for _ in 0..<600 {
      net.servers[0].answer([2], flow: 0)
      try net.step(100_000_000)
      traffic.serve()
    }
    #expect(kinds(net.client) == [.opened])
    #expect(net.syns().count == 1)
    // It is left as soon as it does not answer any more.
    let gone = net.now
    net.passes = { _, server in server != 0 }
    traffic.isAnswered = true
    try net.run(seconds: 4, each: traffic.exchange)
    let first = try #require(traffic.firstAnswer(after: gone + second))
    #expect(first - gone < 2 * second, "\(first - gone) ns")
  }

  @Test func `a first handshake follows its server, too, with what waits for it`() throws {
    let net = try SimulatedServers(2, known: 1)
    net.passes = { _, server in server != 0 }
    for number in UInt8(0)..<10 { net.client.send([number], from: app) }
    try net.run(seconds: 1.5)
    net.remotes.write([SimulatedServers.endpoint(1)])
    net.client.kernel.inputs.append(.woken)
    try net.run(seconds: 0.2)
    #expect(net.servers[1].takeDeliveries().map(\.payload) == (0..<10).map { [$0] })
    #expect(kinds(net.client) == [.opened])
    expectBalance(net.client)
  }

  @Test func `where there is no room for a second flow, the dead one makes room`() throws {
    let net = try SimulatedServers(clientFlows: 16)
    let traffic = Traffic(net)
    try net.run(seconds: 1, each: traffic.exchange)
    let others = net.client.worker.flows.capacity - 1
    for number in 1...others { net.client.send([1], from: SimulationTests.app(number)) }
    try net.run(seconds: 1, each: traffic.exchange)
    #expect(net.client.flowCount == net.client.worker.flows.capacity)
    let port = try #require(net.syns().first).packet.ports.0
    net.passes = { packet, _ in packet.ports.0 != port && packet.ports.1 != port }
    let cut = net.now
    try net.run(seconds: 7, each: traffic.exchange)
    #expect(traffic.firstAnswer(after: cut + second) != nil)
  }

  @Test(arguments: 0..<10)
  func `whatever is lost and restored, flows come back and nothing leaks`(seed: UInt64) throws {
    var random = SeededRandom(seed: seed &+ 7_000)
    let net = try SimulatedServers(2, seed: seed)
    var down = [false, false]
    var loss = 0.0
    net.passes = { _, server in !down[server] && !random.chance(loss) }
    var choices = SeededRandom(seed: seed)
    for _ in 0..<20 {
      for server in 0..<2 where choices.chance(0.2) { down[server].toggle() }
      loss = choices.chance(0.3) ? 0.3 : 0
      let isBusy = choices.chance(0.7)
      for _ in 0..<40 {
        if isBusy {
          for flow in 0..<4 where choices.chance(0.5) {
            net.client.send([UInt8(flow)], from: SimulationTests.app(flow))
          }
        }
        try net.step(100_000_000)
        for server in net.servers {
          for delivery in server.takeDeliveries() { server.answer(delivery.payload, flow: delivery.flow) }
        }
        _ = net.client.takeDeliveries()
      }
    }
    (down, loss) = ([false, false], 0)
    for _ in 0..<50 {
      for flow in 0..<4 { net.client.send([UInt8(flow), 9], from: SimulationTests.app(flow)) }
      try net.step(100_000_000)
    }
    let heard = Set(
      net.servers.flatMap { $0.takeDeliveries() }.filter { $0.payload.count == 2 }.map(\.payload))
    #expect(heard.count == 4, "seed \(seed)")
    expectBalance(net.client, "seed \(seed)")
    let s = net.client.statistics
    net.client.stop()
    #expect(s[.flowsOpened] - s[.flowsClosed] >= 4, "seed \(seed)")
    #expect(net.client.statistics[.flowsOpened] == net.client.statistics[.flowsClosed], "seed \(seed)")
    #expect(net.client.flowCount == 0 && net.client.worker.ports.takenCount == 0, "seed \(seed)")
    #expect(net.client.freeBuffers == SimulatedGateway.allBuffers, "seed \(seed)")
  }
}
