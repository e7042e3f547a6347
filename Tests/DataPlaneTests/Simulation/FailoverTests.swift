import Testing

@testable import DataPlane

/// A client with several servers.
@Suite struct FailoverTests {
  private let second: UInt64 = 1_000_000_000

  private func kinds(_ gateway: SimulatedGateway) -> [FlowEvent.Kind] { gateway.takeEvents().map(\.kind) }

  /// Which servers got datagrams since the last call.
  private func served(_ net: SimulatedServers) -> [Int] {
    net.servers.indices.filter { !net.servers[$0].takeDeliveries().isEmpty }
  }

  private func send(_ net: SimulatedServers, flows: Range<Int> = 0..<1) {
    for flow in flows { net.client.send([UInt8(flow)], from: SimulationTests.app(flow)) }
  }

  @Test func `a first handshake goes on to the next server, with what waits for it`() throws {
    let net = try SimulatedServers(3)
    net.passes = { _, server in server == 2 }
    for number in UInt8(0)..<10 { net.client.send([number], from: SimulationTests.app(0)) }
    try net.run(seconds: 6.5)
    #expect(net.servers[2].takeDeliveries().map(\.payload) == (0..<10).map { [$0] })
    let events = net.client.takeEvents()
    #expect(events.map(\.kind) == [.serverChanged, .opened])
    #expect(events[0].remote == SimulatedServers.endpoint(2) && events[0].detail == 3 && events[0].limit == 3)
    // From now on flows begin there.
    let now = net.now
    net.client.send([1], from: SimulationTests.app(1))
    try net.run(seconds: 0.1)
    #expect(net.syns(since: now).map(\.packet.destination[3]) == [4])
    expectBalance(net.client)
  }

  @Test func `when none of them answers, each was tried, and what waited is counted`() throws {
    let net = try SimulatedServers(3)
    net.passes = { _, _ in false }
    send(net)
    try net.run(seconds: 12)
    #expect(net.syns().map(\.packet.destination[3]) == [2, 2, 2, 3, 3, 3, 4, 4, 4])
    #expect(kinds(net.client) == [.closedUnanswered])
    #expect(net.client.flowCount == 0 && net.client.statistics[.handshakeFailed] == 1)
  }

  @Test func `flows go over to the second server, and back to the first when that answers again`() throws {
    let net = try SimulatedServers(2)
    try net.run(seconds: 2) { send(net, flows: 0..<8) }
    #expect(served(net) == [0])
    net.passes = { _, server in server != 0 }
    try net.run(seconds: 11) { send(net, flows: 0..<8) }
    _ = served(net)
    try net.run(seconds: 1) { send(net, flows: 0..<8) }
    #expect(served(net) == [1])
    #expect(net.client.flowCount == 8 || net.client.flowCount == 9, "the ninth tries the first server")
    #expect(kinds(net.client).filter { $0 == .serverChanged }.count == 1)

    net.passes = { _, _ in true }
    try net.run(seconds: 13) { send(net, flows: 0..<8) }
    _ = served(net)
    try net.run(seconds: 1) { send(net, flows: 0..<8) }
    #expect(served(net) == [0])
    #expect(net.servers[1].flowCount == 0, "they were told")
    #expect(net.client.flowCount == 8)
    #expect(kinds(net.client).filter { $0 == .serverChanged }.count == 1)
    #expect(net.client.statistics[.flowsReopened] == 16)
    expectBalance(net.client)
  }

  @Test func `going back costs no datagram`() throws {
    let net = try SimulatedServers(2)
    net.passes = { _, server in server != 0 }
    send(net)
    try net.run(seconds: 5)
    #expect(served(net) == [1])
    net.passes = { _, _ in true }
    var sent = 0
    try net.run(seconds: 12) {
      send(net)
      sent += 1
    }
    try net.step()
    let arrived = net.servers.map { $0.takeDeliveries().count }
    #expect(arrived[0] > 0 && arrived[0] + arrived[1] == sent)
  }

  @Test func `a preferred server that does not answer is asked now and then, and nobody notices`() throws {
    let net = try SimulatedServers(2)
    net.passes = { _, server in server != 0 }
    try net.run(seconds: 10) { send(net, flows: 0..<8) }
    let before = net.now
    let lost = net.client.statistics.uplinkDrops(of: .client)
    try net.run(seconds: 60, milliseconds: 50) { send(net, flows: 0..<8) }
    let trials = net.syns(since: before).filter { $0.packet.destination[3] == 2 }
    // Three SYNs every ten seconds.
    #expect((12...21).contains(trials.count), "\(trials.count) SYNs")
    #expect(net.client.statistics.uplinkDrops(of: .client) == lost)
    #expect(net.client.statistics[.flowsReopened] == 0)
  }
}
