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
      // It comes before what confirms the other flow.
      net.client.kernel.inputs.reverse()
    }
    try net.step()
    let arrived = net.servers.map { $0.takeDeliveries().count }
    #expect(arrived[0] > 0 && arrived[0] + arrived[1] == sent)
    // A stock server would have ended the flow by then.
    for port in Set(net.ports(since: 0)) {
      let own = net.sent.map(\.packet).filter { $0.ports.0 == port }
      let end = own.firstIndex { $0.flags.contains(.rst) } ?? own.endIndex
      #expect(own[end...].allSatisfy { $0.payload.isEmpty }, "data follows the reset")
    }
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

  /// Answers every ACK of the client by a reset at its place, in place of server 0.
  private func resetAll(_ net: SimulatedServers) {
    net.passes = { packet, server in
      guard server == 0, packet.ports.1 == 4_567, !packet.flags.contains(.syn), !packet.flags.contains(.rst)
      else {
        return true
      }
      let reset = Packet(
        from: SimulatedServers.endpoint(0),
        to: Endpoint(Address(bytes: packet.source[...]), port: packet.ports.0), .rst,
        sequence: packet.acknowledgement)
      net.client.kernel.inputs.append(.packet([UInt8](repeating: 0, count: 12) + reset.bytes))
      return false
    }
  }

  @Test func `a server that resets whatever it has accepted is passed over`() throws {
    let net = try SimulatedServers(2)
    resetAll(net)
    try net.run(seconds: 5) { send(net) }
    #expect(served(net) == [1])
    // One of the first flow, and one of its successor; those of trials later on.
    #expect((2...4).contains(net.syns().count { $0.packet.destination[3] == 2 }))
  }

  @Test func `where there is no other, it is tried again only for datagrams that come`() throws {
    let net = try SimulatedServers(1)
    resetAll(net)
    send(net)
    try net.run(seconds: 10)
    #expect(net.syns().count == 2)
    #expect(net.client.flowCount == 0)
    send(net)
    try net.run(seconds: 10)
    #expect(net.syns().count == 4)
  }
}
