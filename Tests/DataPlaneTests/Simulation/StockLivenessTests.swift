import Testing

@testable import DataPlane

/// A stock server says nothing by itself, yet it answers what lies before its last acknowledgement.
@Suite struct StockLivenessTests {
  private let app = SimulationTests.app(0)

  @Test func `one way for ten minutes to a stock server is no dead path`() throws {
    var path = try StockPath(.client)
    for number in 0..<3_000 {
      path.gateway.send(SimulationTests.payload(0, number, size: 1_000), from: app)
      try path.step(200_000_000)
    }
    #expect(path.gateway.takeEvents().map(\.kind) == [.opened])
    #expect(path.stock.flows.count == 1)
    // Asked every second and a half, it answers at once.
    #expect((200...450).contains(path.gateway.statistics[.probes]))
    expectBalance(path.gateway)
  }

  @Test func `a stock server's first word is asked for, so that a fast one-way flow passes a NAT`() throws {
    var path = try StockPath(.client)
    for number in 0..<200 { path.gateway.send(SimulationTests.payload(0, number, size: 1_400), from: app) }
    var arrived = 0
    // The handshake, a quarter of a second of waiting for a first word, and a round trip.
    for _ in 0..<32 {
      try path.step { _ in
        arrived += 1
        return nil
      }
    }
    #expect(arrived == 200)
    #expect(path.gateway.statistics[.probes] == 1)
  }

  @Test func `an idle flow to a stock server is kept, and closed in time`() throws {
    var path = try StockPath(.client)
    path.gateway.send([1], from: app)
    for _ in 0..<170 { try path.step(1_000_000_000) }
    #expect(path.gateway.takeEvents().map(\.kind) == [.opened])
    #expect((3...4).contains(path.gateway.statistics[.probes]))
    for _ in 0..<15 { try path.step(1_000_000_000) }
    #expect(path.gateway.takeEvents().map(\.kind) == [.closedIdle])
    #expect(path.stock.flows.isEmpty)
  }

  @Test(arguments: [0.1, 0.3])
  func `loss alone is no dead path`(loss: Double) throws {
    var path = try StockPath(.client, loss: loss, seed: 5)
    for number in 0..<1_000 {
      path.gateway.send(SimulationTests.payload(0, number, size: 100), from: app)
      try path.step(100_000_000) { $0.payload }
    }
    #expect(path.gateway.takeEvents().map(\.kind) == [.opened])
  }

  @Test func `a stock server that vanishes and comes back without its flows is found again`() throws {
    var path = try StockPath(.client)
    for number in 0..<100 {
      path.gateway.send(SimulationTests.payload(0, number, size: 100), from: app)
      try path.step { $0.payload }
    }
    path.isCut = true
    for number in 0..<1_000 {
      path.gateway.send(SimulationTests.payload(0, number, size: 100), from: app)
      try path.step { $0.payload }
    }
    path.stock.restart()
    path.isCut = false
    _ = path.gateway.takeDeliveries()
    var steps = 0
    while path.gateway.takeDeliveries().isEmpty, steps < 300 {
      path.gateway.send(SimulationTests.payload(0, steps, size: 100), from: app)
      try path.step { $0.payload }
      steps += 1
    }
    #expect(steps <= 110, "\(steps * 10) ms")
    expectBalance(path.gateway)
  }
}
