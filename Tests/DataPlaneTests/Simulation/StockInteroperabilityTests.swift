import Testing

@testable import DataPlane

@Suite struct StockInteroperabilityTests {
  private func app(_ number: Int) -> Endpoint {
    Endpoint(Address("127.0.0.1")!, port: UInt16(20_000 + number))
  }

  private func payload(_ flow: Int, _ number: Int, size: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: max(size, 3))
    (bytes[0], bytes[1], bytes[2]) = (UInt8(flow), UInt8(number >> 8), UInt8(number & 0xff))
    return bytes
  }

  @Test(arguments: [false, true])
  func `our client and a stock server carry every datagram, in order, to where it belongs`(isIPv6: Bool)
    throws
  {
    var path = try StockPath(.client, isIPv6: isIPv6)
    var sent = [Int: [[UInt8]]]()
    var echoed = [Int: [[UInt8]]]()
    for round in 0..<50 {
      for flow in 0..<4 {
        for number in 0..<3 {
          let datagram = payload(flow, round * 3 + number, size: number == 2 ? 100 : 1_400)
          path.gateway.send(datagram, from: app(flow))
          sent[flow, default: []].append(datagram)
        }
      }
      try path.step { $0.payload }
      for delivery in path.gateway.takeDeliveries() {
        echoed[Int(delivery.destination!.port) - 20_000, default: []].append(delivery.payload)
      }
    }
    for _ in 0..<5 {
      try path.step { $0.payload }
      for delivery in path.gateway.takeDeliveries() {
        echoed[Int(delivery.destination!.port) - 20_000, default: []].append(delivery.payload)
      }
    }
    #expect(echoed == sent)
    #expect(path.stock.establishedFlows.count == 4)
    expectBalance(path.gateway)
  }

  @Test(arguments: [false, true])
  func `a stock client and our server carry every datagram, in order, to where it belongs`(isIPv6: Bool)
    throws
  {
    var path = try StockPath(.server, isIPv6: isIPv6)
    var sent = [Int: [[UInt8]]]()
    var arrived = [UInt32: [[UInt8]]]()
    var answered = 0
    for round in 0..<50 {
      for flow in 0..<4 {
        let datagram = payload(flow, round, size: 1_000)
        path.stock.send(datagram, application: UInt16(flow), now: path.now)
        sent[flow, default: []].append(datagram)
      }
      try path.step { _ in
        answered += 1
        return nil
      }
      for delivery in path.gateway.takeDeliveries() {
        arrived[delivery.flow, default: []].append(delivery.payload)
        path.gateway.answer(delivery.payload, flow: delivery.flow)
      }
    }
    for _ in 0..<5 {
      try path.step { _ in
        answered += 1
        return nil
      }
      for delivery in path.gateway.takeDeliveries() {
        arrived[delivery.flow, default: []].append(delivery.payload)
      }
    }
    #expect(Set(arrived.values) == Set(sent.values))
    #expect(answered == 200)
    expectBalance(path.gateway)
  }

  @Test(arguments: Seeds.all)
  func `over a link that loses a fifth every flow comes up and no datagram is damaged`(seed: UInt64) throws {
    for role in [Role.client, .server] {
      var path = try StockPath(role, loss: 0.2, seed: seed)
      var sent = Set<[UInt8]>()
      var seen = Set<[UInt8]>()
      var isEachOnce = true
      for round in 0..<120 {
        for flow in 0..<3 {
          let datagram = payload(flow, round, size: 300 + round)
          sent.insert(datagram)
          if role == .client {
            path.gateway.send(datagram, from: app(flow))
          } else {
            path.stock.send(datagram, application: UInt16(flow), now: path.now)
          }
        }
        try path.step(100_000_000) {
          if role == .client { isEachOnce = seen.insert($0.payload).inserted && isEachOnce }
          return [1]
        }
        for delivery in path.gateway.takeDeliveries() where role == .server {
          isEachOnce = seen.insert(delivery.payload).inserted && isEachOnce
        }
      }
      #expect(isEachOnce && seen.isSubset(of: sent))
      // Twelve seconds: handshakes may take three tries, and a fifth is lost after that.
      for flow in 0..<3 {
        let count = seen.filter { $0[0] == UInt8(flow) }.count
        #expect(count > 40, "flow \(flow) of a \(role)")
      }
      expectBalance(path.gateway)
    }
  }

  @Test func `a restarted stock server costs the datagrams that were under way and no more`() throws {
    var path = try StockPath(.client)
    path.gateway.send([1], from: app(0))
    for _ in 0..<30 { try path.step() }
    path.stock.restart()
    path.gateway.send([2], from: app(0))
    for _ in 0..<3 { try path.step() }
    #expect(path.gateway.takeEvents().map(\.kind) == [.opened, .closedByPeer, .opened])
    path.gateway.send([3], from: app(0))
    var arrived = [[UInt8]]()
    for _ in 0..<3 {
      try path.step {
        arrived.append($0.payload)
        return nil
      }
    }
    #expect(arrived == [[3]])
    #expect(path.gateway.statistics[.flowsOpened] == 2)
  }

  @Test func `a stock client that closes its idle flow closes ours`() throws {
    var path = try StockPath(.server)
    path.stock.send([1], application: 1, now: path.now)
    for _ in 0..<3 { try path.step() }
    #expect(path.gateway.flowCount == 1)
    try path.step(180_000_000_000)
    try path.step()
    #expect(path.gateway.flowCount == 0 && path.stock.flows.isEmpty)
  }
}
