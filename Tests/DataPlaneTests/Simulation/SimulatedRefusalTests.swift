import Testing

@testable import DataPlane

/// What the kernel refuses.
extension SimulationTests {
  @Test(arguments: [Int32(22), 5])
  func `a super-packet that TUN refuses goes out one by one`(errno: Int32) throws {
    let pair = try SimulatedPair()
    pair.client.send([0], from: Self.app(0))
    try pair.settle()
    _ = pair.server.takeDeliveries()
    pair.client.kernel.writeFailures = [errno]
    let sent = (0..<30).map { Self.payload(0, $0, size: 1_000) }
    for payload in sent { pair.client.send(payload, from: Self.app(0)) }
    try pair.settle()
    #expect(pair.server.takeDeliveries().map(\.payload) == sent)
    #expect(pair.client.statistics[.tunWriteFailed] == 0)
    expectBalance(pair.client)
    pair.expectNoLeak(0)
  }

  @Test(arguments: [Int32(22), 5])
  func `a train of datagrams that UDP refuses goes out one by one`(errno: Int32) throws {
    let pair = try SimulatedPair()
    pair.client.send([0], from: Self.app(0))
    try pair.settle()
    _ = pair.server.takeDeliveries()
    pair.server.kernel.sendFailures = [errno]
    let sent = (0..<30).map { Self.payload(0, $0, size: 1_000) }
    for payload in sent { pair.client.send(payload, from: Self.app(0)) }
    try pair.settle()
    #expect(pair.server.takeDeliveries().map(\.payload) == sent)
    expectBalance(pair.server)
    pair.expectNoLeak(0)
  }

  @Test func `what the kernel refuses for good is counted`() throws {
    let pair = try SimulatedPair()
    pair.client.send([0], from: Self.app(0))
    try pair.settle()
    pair.client.kernel.writeFailures = [12]
    pair.client.send([1], from: Self.app(0))
    try pair.settle()
    #expect(pair.client.statistics[.tunWriteFailed] == 1)
    pair.server.kernel.sendFailures = [11]
    pair.client.send([1], from: Self.app(0))
    try pair.settle()
    #expect(pair.server.statistics[.udpSendBufferFull] == 1)
    expectBalance(pair.client)
    expectBalance(pair.server)
  }

  @Test func `a socket that cannot be opened costs its flow alone`() throws {
    let pair = try SimulatedPair()
    pair.server.kernel.socketFailures = [24]
    pair.client.send([1], from: Self.app(0))
    try pair.settle()
    #expect(pair.server.statistics[.socketUnavailable] >= 1)
    // The next segment still carries the cookie.
    pair.client.send([2], from: Self.app(0))
    try pair.settle()
    #expect(pair.server.takeDeliveries().map(\.payload) == [[1], [2]])
    expectBalance(pair.server)
  }
}
