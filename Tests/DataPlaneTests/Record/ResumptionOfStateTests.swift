import Foundation
import Glibc
import Testing

@testable import DataPlane

/// What a resumed flow counts as, and which flows are not gone on with: those of several servers and those that
/// were to take another's place.
@Suite final class ResumptionOfStateTests {
  private let store = FlowFileFixture()
  private let remotes = RemoteBoard((0..<2).map(SimulatedServers.endpoint))

  deinit { remotes.deallocate() }

  private static func server(_ number: Int) throws -> SimulatedGateway {
    var plan = SimulatedGateway.plan(.server, workers: 1)
    plan.tunAddress4 = SimulatedServers.endpoint(number).address
    return try SimulatedGateway(WorkerPlan(plan), seed: 1)
  }

  /// Both take turns; what the client writes reaches `server`, if it is for it and the path is not cut.
  private static func run(
    _ client: SimulatedGateway, _ server: SimulatedGateway, number: Int, seconds: Double, isCut: Bool = false,
    each: () -> Void = {}
  ) throws {
    let end = client.kernel.now + UInt64(seconds * 1e9)
    while client.kernel.now < end {
      each()
      client.kernel.now += 20_000_000
      server.kernel.now = client.kernel.now
      try client.turn()
      let packets = client.takePackets()
      if !isCut {
        server.kernel.inputs += packets.filter { TestPacket($0).destination[3] == UInt8(2 + number) }
          .map { .packet($0) }
      }
      try server.turn()
      let answers = server.takePackets()
      if !isCut { client.kernel.inputs += answers.map { .packet($0) } }
    }
  }

  @Test func `a flow goes on to the server that it was on, if that is one still`() throws {
    let plan = SimulatedGateway.plan(.client, workers: 1)
    let file = try store.file(plan)
    let server = try Self.server(1)
    let app = SimulationTests.app(0)
    let killed = try SimulatedGateway(
      WorkerPlan(plan, remotes: remotes), seed: 1, section: file.section(worker: 0))
    try Self.run(killed, server, number: 1, seconds: 6) { killed.send([1], from: app) }
    let record = try #require(try store.records().first)
    #expect(record.key.remoteEndpoint == SimulatedServers.endpoint(1))

    let next = try SimulatedGateway(WorkerPlan(plan, remotes: remotes), seed: 2)
    next.kernel.now = killed.kernel.now
    try next.turn()
    next.resume(try store.records())
    #expect(next.statistics[.flowsResumed] == 1)
    _ = server.takeDeliveries()
    next.send([2], from: app)
    try Self.run(next, server, number: 1, seconds: 1)
    #expect(server.takeDeliveries().map(\.payload) == [[2]])

    let alone = RemoteBoard([SimulatedServers.endpoint(0)])
    defer { alone.deallocate() }
    let other = try SimulatedGateway(WorkerPlan(plan, remotes: alone), seed: 3)
    other.kernel.now = killed.kernel.now
    try other.turn()
    other.resume(try store.records())
    #expect(other.statistics[.flowsResumed] == 0)
    _ = file
  }

  @Test func `of a suspended flow and its successor, the flow goes on`() throws {
    let plan = SimulatedGateway.plan(.client, workers: 1)
    let file = try store.file(plan)
    let server = try Self.server(0)
    let app = SimulationTests.app(0)
    let killed = try SimulatedGateway(WorkerPlan(plan), seed: 1, section: file.section(worker: 0))
    try Self.run(killed, server, number: 0, seconds: 2) { killed.send([1], from: app) }
    let key = try #require(try store.records().first).key
    try Self.run(killed, server, number: 0, seconds: 6, isCut: true) { killed.send([1], from: app) }
    #expect(killed.takeEvents().contains { $0.kind == .suspended })
    #expect(try store.records().map(\.key) == [key])

    let next = try SimulatedGateway(WorkerPlan(plan), seed: 2)
    next.kernel.now = killed.kernel.now
    try next.turn()
    next.resume(try store.records())
    _ = server.takeDeliveries()
    next.send([2], from: app)
    try Self.run(next, server, number: 0, seconds: 2)
    #expect(server.takeDeliveries().map(\.payload) == [[2]])
    // The path answers again, and is known to.
    try Self.run(next, server, number: 0, seconds: 10) { next.send([3], from: app) }
    #expect(!next.takeEvents().contains { $0.kind == .suspended })
    #expect(next.statistics[.flowsReopened] == 0 && next.statistics[.flowsOpened] == 0)
    _ = file
  }

  @Test func `a server's resumed flows count as their sources'`() throws {
    let plan = SimulatedGateway.plan(.server, workers: 1)
    let file = try store.file(plan)
    let client = try SimulatedGateway(.client)
    let killed = try SimulatedGateway(WorkerPlan(plan), seed: 1, section: file.section(worker: 0))
    for number in 0..<2 { client.send([1], from: SimulationTests.app(number)) }
    try Self.run(client, killed, number: 0, seconds: 1)
    #expect(try store.records().count == 2)

    var workerPlan = WorkerPlan(plan)
    let counts = try SourceCounts(limit: 2, flowCountMax: 64, hash: workerPlan.keyHash)
    defer { counts.deallocate() }
    workerPlan.sourceCounts = counts
    let next = try SimulatedGateway(workerPlan, seed: 2)
    next.kernel.now = killed.kernel.now
    try next.turn()
    next.resume(try store.records())
    #expect(next.statistics[.flowsResumed] == 2)
    client.send([1], from: SimulationTests.app(2))
    try Self.run(client, next, number: 0, seconds: 1)
    #expect(next.statistics[.sourceFlowsFull] > 0 && next.statistics[.flowsOpened] == 0)
    // And no more once they have ended.
    next.stop()
    #expect(counts.add(SimulatedGateway.clientAddress) && counts.add(SimulatedGateway.clientAddress))
    _ = file
  }
}
