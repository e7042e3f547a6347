import Glibc
import Testing

@testable import DataPlane

/// What the kernel refuses.
extension SimulationTests {
  @Test func `a super-packet that TUN refuses goes out one by one`() throws {
    let pair = try SimulatedPair()
    pair.client.send([0], from: Self.app(0))
    try pair.settle()
    _ = pair.server.takeDeliveries()
    pair.client.kernel.writeFailures = [EINVAL]
    let sent = (0..<30).map { Self.payload(0, $0, size: 1_000) }
    for payload in sent { pair.client.send(payload, from: Self.app(0)) }
    try pair.settle()
    #expect(pair.server.takeDeliveries().map(\.payload) == sent)
    #expect(pair.client.statistics[.tunWriteFailed] == 0)
    expectBalance(pair.client)
    pair.expectNoLeak(0)
  }

  @Test func `a device that is down for a moment does not end segmentation`() throws {
    let pair = try SimulatedPair()
    pair.client.send([0], from: Self.app(0))
    try pair.settle()
    pair.client.kernel.writeFailures = [EIO]
    let train = [UInt8](repeating: 1, count: 30_000)
    pair.client.send(train, partSize: 1_000, from: Self.app(0))
    try pair.settle()
    #expect(pair.client.statistics[.tunWriteFailed] == 30)
    let before = pair.client.statistics[.tunWrites]
    pair.client.send(train, partSize: 1_000, from: Self.app(0))
    try pair.client.turn()
    #expect(pair.client.statistics[.tunWrites] == before + 1)
    try pair.settle()
    expectBalance(pair.client)
    pair.expectNoLeak(0)
  }

  /// And all others only where it is the host that cuts none.
  @Test(arguments: [EINVAL, EMSGSIZE, EIO])
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
    let told = pair.server.takeEvents().filter { $0.kind == .datagramsRefused }
    #expect(told.map(\.detail) == (errno == EIO ? [Int(errno)] : []))
    let before = pair.server.statistics[.udpSends]
    for payload in sent { pair.client.send(payload, from: Self.app(0)) }
    try pair.settle()
    #expect(pair.server.takeDeliveries().map(\.payload) == sent)
    #expect(pair.server.statistics[.udpSends] - before == (errno == EIO ? 30 : 1))
    expectBalance(pair.server)
    pair.expectNoLeak(0)
  }

  @Test func `full trains that UDP refuses are one part shorter from then on`() throws {
    let pair = try SimulatedPair()
    pair.client.send([0], from: Self.app(0))
    try pair.settle()
    _ = pair.server.takeDeliveries()
    pair.server.kernel.sendFailures = [EINVAL]
    let train = [UInt8](repeating: 1, count: 64 * 500)
    for round in 0..<2 {
      let before = pair.server.statistics[.udpSends]
      pair.client.send(train, partSize: 500, from: Self.app(0))
      try pair.settle()
      #expect(pair.server.takeDeliveries().count == 64)
      #expect(pair.server.statistics[.udpSends] - before == (round == 0 ? 65 : 2))
    }
    #expect(pair.server.statistics[.udpSendFailed] == 0)
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

  /// Fuzzing found that they were counted among the datagrams that were dropped.
  @Test func `control segments that the kernel refuses are counted apart`() throws {
    let pair = try SimulatedPair()
    pair.client.kernel.writeFailures = [ENOMEM]
    pair.client.send([1], from: Self.app(0))
    try pair.settle()
    #expect(pair.client.statistics[.controlSegmentsRefused] == 1)
    #expect(pair.client.statistics[.tunWriteFailed] == 0)
    #expect(pair.client.statistics[.controlSegmentsOut] == 0)
    // The SYN is sent again, and the datagram was kept.
    try pair.step(1_250_000_000)
    try pair.settle()
    #expect(pair.server.takeDeliveries().map(\.payload) == [[1]])
    expectBalance(pair.client)
  }

  @Test func `a refusal that is told of after its train is gone is counted with all its parts`() throws {
    let pair = try SimulatedPair()
    pair.client.send([0], from: Self.app(0))
    try pair.settle()
    let train = [UInt8](repeating: 1, count: 5_000)
    var faults = KernelFaults(seed: 1)
    faults.overflows = 1
    pair.client.kernel.faults = faults
    pair.client.kernel.writeFailures = [ENOMEM]
    pair.client.send(train, partSize: 1_000, from: Self.app(0))
    for _ in 0..<3 { try pair.client.turn() }
    pair.client.kernel.faults = nil
    try pair.settle()
    #expect(pair.client.statistics[.tunWriteFailed] == 5)
    expectBalance(pair.client)
    pair.expectNoLeak(0)
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
