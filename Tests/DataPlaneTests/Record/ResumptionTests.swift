import Foundation
import Glibc
import Testing

@testable import DataPlane

/// Workers that are killed, and others that go on with their flows.
@Suite struct ResumptionTests {
  private let store = FlowFileFixture()

  private static func carry(_ a: SimulatedGateway, _ b: SimulatedGateway, steps: Int = 8) throws {
    for _ in 0..<steps {
      for gateway in [a, b] { gateway.kernel.now += 100_000 }
      try a.turn()
      b.kernel.inputs += a.takePackets().map { .packet($0) }
      try b.turn()
      a.kernel.inputs += b.takePackets().map { .packet($0) }
    }
  }

  /// Lets a worker's clock go on.
  private static func go(_ gateway: SimulatedGateway, to time: UInt64) throws {
    gateway.kernel.now = time
    try gateway.turn()
  }

  private static func app(_ number: Int) -> Endpoint { SimulationTests.app(number) }

  @Test func `a server that is killed goes on with its flows, at the same ports`() throws {
    let plan = SimulatedGateway.plan(.server, workers: 1)
    let file = try store.file(plan)
    let client = try SimulatedGateway(.client)
    let killed = try SimulatedGateway(WorkerPlan(plan), seed: 1, section: file.section(worker: 0))
    for number in 0..<10 { client.send([UInt8(number)], from: Self.app(number)) }
    try Self.carry(client, killed)
    let places = killed.kernel.socketPlaces
    #expect(killed.takeDeliveries().count == 10)

    let next = try SimulatedGateway(WorkerPlan(plan), seed: 2)
    try Self.go(next, to: killed.kernel.now)
    next.resume(try store.records())
    #expect(next.statistics[.flowsResumed] == 10)
    #expect(Set(next.kernel.socketPlaces.values) == Set(places.values))
    // A word to everybody steers TUN, and nobody takes it for more.
    try Self.carry(client, next)
    #expect(next.statistics[.controlSegmentsOut] == 10)
    for number in 0..<10 { client.send([100, UInt8(number)], from: Self.app(number)) }
    try Self.carry(client, next)
    #expect(Set(next.takeDeliveries().map(\.payload)) == Set((0..<10).map { [100, UInt8($0)] }))
    for flow in next.kernel.sockets.keys { next.answer([UInt8(flow)], flow: flow) }
    try Self.carry(client, next)
    let answers = client.takeDeliveries()
    #expect(Set(answers.compactMap(\.destination)) == Set((0..<10).map(Self.app)))
    #expect(client.statistics[.flowsOpened] == 10 && client.statistics[.flowsClosed] == 0)
    #expect(next.statistics[.unknownFlow] == 0 && next.statistics[.flowsOpened] == 0)
    _ = (file, killed)
  }

  @Test func `a client that is killed goes on with its flows, at the same ports`() throws {
    var plan = SimulatedGateway.plan(.client, workers: 1)
    plan.connections = 2
    let file = try store.file(plan)
    let server = try SimulatedGateway(.server)
    let killed = try SimulatedGateway(WorkerPlan(plan), seed: 1, section: file.section(worker: 0))
    // Both connections of most applications come to be used.
    for round in 0..<8 {
      for number in 0..<10 { killed.send([UInt8(round)], from: Self.app(number)) }
      try Self.carry(killed, server)
    }
    let open = server.flowCount
    #expect(killed.flowCount == open && open > 10)

    let next = try SimulatedGateway(WorkerPlan(plan), seed: 2)
    try Self.go(next, to: killed.kernel.now)
    next.resume(try store.records())
    #expect(next.statistics[.flowsResumed] == UInt64(open))
    _ = server.takeDeliveries()
    for number in 0..<10 { next.send([50, UInt8(number)], from: Self.app(number)) }
    try Self.carry(next, server)
    #expect(Set(server.takeDeliveries().map(\.payload)) == Set((0..<10).map { [50, UInt8($0)] }))
    #expect(next.flowCount >= open && server.statistics[.flowsClosed] == 0)
    // New flows get ports that the old ones do not have.
    next.send([60], from: Self.app(11))
    try Self.carry(next, server)
    #expect(server.takeDeliveries().map(\.payload) == [[60]])
    _ = (file, killed)
  }

  @Test(arguments: [1, 2, 3, 5])
  func `flows spread over another number of workers, each on its owner`(workers: Int) throws {
    let plan = SimulatedGateway.plan(.server, workers: 1)
    let file = try store.file(plan)
    let client = try SimulatedGateway(.client)
    let killed = try SimulatedGateway(WorkerPlan(plan), seed: 1, section: file.section(worker: 0))
    for number in 0..<40 { client.send([UInt8(number)], from: Self.app(number)) }
    try Self.carry(client, killed)

    let team = try SimulatedTeam(SimulatedGateway.plan(.server, workers: workers))
    for worker in team.workers {
      try Self.go(worker, to: killed.kernel.now)
      worker.resume(try store.records())
    }
    #expect(team.statistics[.flowsResumed] == 40)
    #expect(team.workers.allSatisfy { $0.flowCount > 0 })
    for number in 0..<40 { client.send([7, UInt8(number)], from: Self.app(number)) }
    for _ in 0..<4 {
      try client.turn()
      for packet in client.takePackets() { team.receive(packet) }
      try team.turn()
      client.kernel.inputs += team.takePackets().map { .packet($0) }
    }
    #expect(Set(team.takeDeliveries().map(\.payload)) == Set((0..<40).map { [7, UInt8($0)] }))
    _ = (file, killed)
  }

  @Test func `a handshake that was under way when the server was killed is completed`() throws {
    let plan = SimulatedGateway.plan(.server, workers: 1)
    let client = try SimulatedGateway(.client)
    let killed = try SimulatedGateway(WorkerPlan(plan), seed: 1)
    client.send([1, 2], from: Self.app(0))
    try client.turn()
    killed.kernel.inputs = client.takePackets().map { .packet($0) }
    try killed.turn()
    client.kernel.inputs = killed.takePackets().map { .packet($0) }
    let next = try SimulatedGateway(WorkerPlan(plan), seed: 2)
    try Self.carry(client, next)
    #expect(next.takeDeliveries().map(\.payload) == [[1, 2]])
    #expect(client.statistics[.flowsOpened] == 1)
  }

  @Test func `what is of another set-up or was silent for too long is not gone on with`() throws {
    let plan = SimulatedGateway.plan(.server, workers: 1)
    let file = try store.file(plan)
    let client = try SimulatedGateway(.client)
    let killed = try SimulatedGateway(WorkerPlan(plan), seed: 1, section: file.section(worker: 0))
    client.send([1], from: Self.app(0))
    try Self.carry(client, killed)
    let records = try store.records()
    #expect(records.count == 1)

    func resumed(_ change: (inout GatewayPlan) -> Void, later: UInt64 = 0) throws -> UInt64 {
      var plan = plan
      change(&plan)
      let next = try SimulatedGateway(WorkerPlan(plan), seed: 2)
      try Self.go(next, to: killed.kernel.now + later)
      next.resume(records + records)
      return next.statistics[.flowsResumed]
    }
    #expect(try resumed { _ in } == 1)
    #expect(try resumed { $0.listenPort = 4_568 } == 0)
    #expect(try resumed { $0.tunAddress4 = Address("192.0.2.3")! } == 0)
    #expect(try resumed({ _ in }, later: 181_000_000_000) == 0)
    #expect(try resumed({ $0.idleTimeoutSeconds = 300 }, later: 181_000_000_000) == 1)
    _ = file
  }

  @Test func `a flow whose UDP port somebody else has taken goes on from another, and the log hears of it`()
    throws
  {
    let plan = SimulatedGateway.plan(.server, workers: 1)
    let file = try store.file(plan)
    let client = try SimulatedGateway(.client)
    let killed = try SimulatedGateway(WorkerPlan(plan), seed: 1, section: file.section(worker: 0))
    client.send([1], from: Self.app(0))
    try Self.carry(client, killed)
    let place = try #require(killed.kernel.socketPlaces.values.first)

    let next = try SimulatedGateway(WorkerPlan(plan), seed: 2)
    try Self.go(next, to: killed.kernel.now)
    next.kernel.takenPorts = [place.port]
    next.kernel.socketPlaces[99] = Endpoint(place.address, port: 1)
    next.resume(try store.records())
    #expect(next.statistics[.flowsResumed] == 1)
    #expect(next.kernel.socketPlaces[0].map(\.port) != place.port)
    #expect(next.takeEvents().contains { $0.kind == .resumedElsewhere && $0.detail == Int(EADDRINUSE) })
    client.send([2], from: Self.app(0))
    try Self.carry(client, next)
    #expect(next.takeDeliveries().map(\.payload) == [[2]])
    _ = file
  }

  @Test func `who hands over resets nobody, sends what it has, and lets go`() throws {
    let plan = SimulatedGateway.plan(.server, workers: 1)
    let file = try store.file(plan)
    let client = try SimulatedGateway(.client)
    let leaving = try SimulatedGateway(WorkerPlan(plan), seed: 1, section: file.section(worker: 0))
    client.send([1], from: Self.app(0))
    try Self.carry(client, leaving)
    leaving.leave()
    #expect(leaving.kernel.isReleased)
    #expect(leaving.takePackets().isEmpty)
    #expect(try store.records().count == 1)
    _ = file
  }

  @Test func `an orderly end leaves no flow in the file`() throws {
    let plan = SimulatedGateway.plan(.server, workers: 1)
    let file = try store.file(plan)
    let client = try SimulatedGateway(.client)
    let server = try SimulatedGateway(WorkerPlan(plan), seed: 1, section: file.section(worker: 0))
    client.send([1], from: Self.app(0))
    try Self.carry(client, server)
    #expect(try store.records().count == 1)
    server.stop()
    #expect(try store.records().isEmpty)
    _ = file
  }
}
