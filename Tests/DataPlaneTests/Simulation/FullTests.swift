import Glibc
import Testing

@testable import DataPlane

/// What happens when a resource of which every flow needs one is used up.
@Suite struct FullTests {
  private static func source(_ number: Int) -> Endpoint {
    Endpoint(Address("127.0.\(number >> 14).1")!, port: UInt16(1_024 + number & 0x3fff))
  }

  /// Has so many programs send their first datagram.
  private func openFlows(_ range: Range<Int>, _ client: SimulatedGateway) throws {
    for first in stride(from: range.lowerBound, to: range.upperBound, by: 64) {
      for number in first..<min(first + 64, range.upperBound) { client.send([1], from: Self.source(number)) }
      try client.turn()
      _ = client.takePackets()
    }
  }

  @Test func `a client without source ports drops new flows, tells once, and recovers when flows end`() throws
  {
    let client = try SimulatedGateway(.client, flowCountMax: 65_536)
    let ports = PortSpace.last - PortSpace.first + 1
    try openFlows(0..<ports, client)
    #expect(client.flowCount == ports)
    #expect(client.statistics[.portSpaceFull] == 0)
    _ = client.takeEvents()

    try openFlows(ports..<ports + 1_000, client)
    #expect(client.flowCount == ports)
    #expect(client.statistics[.portSpaceFull] == 1_000)
    let told = client.takeEvents()
    #expect(told.map(\.kind) == [.portSpaceFull])
    #expect(told.first?.limit == ports && told.first?.peer == Self.source(ports))
    // Whoever has a flow keeps it.
    client.send([2], from: Self.source(0))
    try client.turn()
    #expect(client.statistics[.portSpaceFull] == 1_000)

    client.kernel.now += Limits.fullReportNanoseconds
    try openFlows(ports..<ports + 1, client)
    #expect(client.takeEvents().map(\.kind) == [.portSpaceFull])

    // Nobody answers: all are given up, and their ports serve others.
    for _ in 0..<8 {
      client.kernel.now += Limits.synIntervalNanoseconds * 5 / 4
      try client.turnUntilTimersAreDone()
    }
    #expect(client.flowCount == 0)
    try openFlows(0..<100, client)
    #expect(client.flowCount == 100)
    client.stop()
    expectBalance(client)
  }

  @Test func `deadlines that come together are dealt with in batches, between which packets pass`() throws {
    let client = try SimulatedGateway(.client, flowCountMax: 4_096)
    try openFlows(0..<1_000, client)
    client.kernel.now += Limits.synIntervalNanoseconds * 5 / 4
    client.send([1], from: Self.source(1_000))
    try client.turn()
    // Two turns: so many SYNs again, and one of the flow that came meanwhile.
    #expect(client.takePackets().count == 2 * Limits.expirationsPerTurn + 1)
    #expect(try client.turnUntilTimersAreDone() == 1_000 - 2 * Limits.expirationsPerTurn)
  }

  @Test func `a server without room drops new flows, tells once, and keeps those it has`() throws {
    let client = try SimulatedGateway(.client)
    let server = try SimulatedGateway(.server, flowCountMax: 16)
    func exchange() throws {
      for _ in 0..<6 {
        try client.turn()
        server.kernel.inputs += client.takePackets().map { .packet($0) }
        try server.turn()
        client.kernel.inputs += server.takePackets().map { .packet($0) }
      }
    }
    for number in 0..<20 { client.send([UInt8(number)], from: Self.source(number)) }
    try exchange()
    #expect(server.flowCount == 16 && server.statistics[.flowTableFull] >= 4)
    #expect(server.takeEvents().filter { $0.kind == .flowTableFull }.map(\.limit) == [16])
    #expect(server.takeDeliveries().count == 16)
    for number in 0..<16 { client.send([100], from: Self.source(number)) }
    try exchange()
    #expect(server.takeDeliveries().count == 16)
    expectBalance(server)
  }

  @Test func `a server without sockets says which errno it met`() throws {
    let client = try SimulatedGateway(.client)
    let server = try SimulatedGateway(.server)
    server.kernel.socketFailures = [EAGAIN]
    client.send([1], from: Self.source(0))
    for _ in 0..<3 {
      try client.turn()
      server.kernel.inputs += client.takePackets().map { .packet($0) }
      try server.turn()
      client.kernel.inputs += server.takePackets().map { .packet($0) }
    }
    #expect(server.statistics[.socketUnavailable] == 1)
    #expect(server.takeEvents().first { $0.kind == .socketUnavailable }?.detail == Int(EAGAIN))
  }
}
