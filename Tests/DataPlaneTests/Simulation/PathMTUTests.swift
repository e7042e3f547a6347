import Testing

@testable import DataPlane

/// Narrow paths, and wide ones: what is too large is found out, counted, told, and tried again.
@Suite struct PathMTUTests {
  private static let app = SimulationTests.app(0)

  private static func datagram(_ size: Int) -> [UInt8] { SimulationTests.payload(0, size, size: size) }

  /// A pair with one flow open, and that flow's index at the server.
  private func openPair(isIPv6: Bool = false, mtu: Int = 1_500) throws -> (SimulatedPair, UInt32) {
    let pair = try SimulatedPair(isIPv6: isIPv6, mtu: mtu)
    pair.client.send([0], from: Self.app)
    try pair.settle()
    let flow = try #require(pair.server.takeDeliveries().first?.flow)
    pair.server.answer([0], flow: flow)
    try pair.settle()
    _ = pair.client.takeDeliveries()
    _ = (pair.client.takeEvents(), pair.server.takeEvents())
    return (pair, flow)
  }

  /// Sizes of the datagrams that `sender` wrote, after a link that takes `mtu` bytes and answers the rest.
  private func narrow(_ sender: SimulatedGateway, mtu: Int) -> [Int] {
    var passed: [Int] = []
    for bytes in sender.takePackets() {
      let packet = TestPacket(bytes)
      let sizes = packet.split().map(\.payload.count).filter { $0 > 0 }
      if (sizes.max() ?? 0) + (packet.isIPv4 ? 40 : 60) <= mtu {
        passed += sizes
      } else {
        let error = ICMPError.tooBig(Array(bytes.dropFirst(VirtioNetHeader.length)), mtu: mtu)
        sender.kernel.inputs.append(.packet(error.frame))
      }
    }
    return passed
  }

  /// Sizes first: contents of jumbo frames would fill the report.
  private func expect(
    _ gateway: SimulatedGateway, delivered payloads: [[UInt8]],
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let arrived = gateway.takeDeliveries().map(\.payload)
    #expect(arrived.map(\.count) == payloads.map(\.count), sourceLocation: sourceLocation)
    let areEqual = arrived == payloads
    #expect(areEqual, sourceLocation: sourceLocation)
  }

  @Test(arguments: [(false, 1_360), (true, 1_340)])
  func `an error lowers the limit of a client's flow, and what exceeds it is counted and told once`(
    isIPv6: Bool, limit: Int
  ) throws {
    let (pair, _) = try openPair(isIPv6: isIPv6)
    pair.client.send(Self.datagram(limit + 1), from: Self.app)
    try pair.client.turn()
    #expect(narrow(pair.client, mtu: 1_400).isEmpty)
    try pair.client.turn()
    #expect(pair.client.statistics[.pathMTUUpdates] == 1)

    for size in [limit + 1, limit, 1_440, 1] { pair.client.send(Self.datagram(size), from: Self.app) }
    try pair.client.turn()
    #expect(narrow(pair.client, mtu: 1_400) == [limit, 1])
    #expect(pair.client.statistics[.datagramTooLarge] == 2)
    let events = pair.client.takeEvents()
    #expect(events.map(\.kind) == [.pathLimitLowered, .datagramTooLarge])
    #expect(events[0].detail == 1_400 && events[0].limit == limit)
    #expect(events[1].detail == limit + 1 && events[1].limit == limit)
    expectBalance(pair.client)
  }

  @Test func `a super-packet that is too large for a link counts like a segment`() throws {
    let (pair, _) = try openPair()
    for _ in 0..<40 { pair.client.send(Self.datagram(1_400), from: Self.app) }
    try pair.client.turn()
    #expect(narrow(pair.client, mtu: 1_300).isEmpty)
    try pair.client.turn()
    #expect(pair.client.takeEvents().map(\.limit) == [1_260])
  }

  @Test func `a server's flows learn of their own paths`() throws {
    let (pair, flow) = try openPair()
    pair.server.answer(Self.datagram(1_460), flow: flow)
    try pair.server.turn()
    #expect(narrow(pair.server, mtu: 1_280).isEmpty)
    pair.server.answer(Self.datagram(1_241), flow: flow)
    pair.server.answer(Self.datagram(1_240), flow: flow)
    try pair.server.turn()
    // The first answer was under way before the error was read.
    #expect(pair.server.statistics[.pathMTUUpdates] == 1)
    pair.server.answer(Self.datagram(1_241), flow: flow)
    try pair.server.turn()
    #expect(pair.server.statistics[.datagramTooLarge] == 2)
    #expect(narrow(pair.server, mtu: 1_280) == [1_240])
    // The other way is as wide as it was.
    pair.client.send(Self.datagram(1_460), from: Self.app)
    try pair.settle()
    #expect(pair.server.takeDeliveries().map(\.payload.count) == [1_460])
    expectBalance(pair.server)
  }

  @Test func `after ten minutes the larger size is tried again, and a path that is still narrow told again`()
    throws
  {
    let (pair, _) = try openPair()
    pair.client.unwatch()
    func send(_ size: Int) throws -> Int {
      pair.client.send(Self.datagram(size), from: Self.app)
      try pair.client.turn()
      let through = narrow(pair.client, mtu: 1_400).count
      try pair.client.turn()
      return through
    }
    #expect(try send(1_460) == 0)
    for _ in 0..<5 {
      pair.client.kernel.now += Limits.pathMTUNanoseconds / 6
      #expect(try send(1_460) == 0)
      #expect(try send(1_360) == 1)
    }
    #expect(pair.client.statistics[.datagramTooLarge] == 5)
    #expect(pair.client.statistics[.pathMTUUpdates] == 1)
    pair.client.kernel.now += Limits.pathMTUNanoseconds / 6 + 10
    #expect(try send(1_360) == 1)
    #expect(pair.client.statistics[.pathMTUUpdates] == 1, "nobody misses the larger size")
    #expect(try send(1_460) == 0)
    #expect(pair.client.statistics[.pathMTUUpdates] == 2)
    #expect(pair.client.statistics[.datagramTooLarge] == 5)

    // By now the path is wide.
    pair.client.kernel.now += Limits.pathMTUNanoseconds - 1_000_000_000
    pair.client.send([1], from: Self.app)
    try pair.client.turn()
    _ = narrow(pair.client, mtu: 1_500)
    pair.client.kernel.now += 1_000_000_000
    pair.client.send(Self.datagram(1_460), from: Self.app)
    pair.client.send(Self.datagram(1_461), from: Self.app)
    try pair.client.turn()
    #expect(narrow(pair.client, mtu: 1_500) == [1_460])
    #expect(pair.client.statistics[.datagramTooLarge] == 6)
    #expect(pair.client.takeEvents().last?.limit == 1_460)
    expectBalance(pair.client)
  }

  @Test func `forged errors change nothing and are counted under their reasons`() throws {
    let (pair, _) = try openPair()
    pair.client.send(Self.datagram(1_000), from: Self.app)
    try pair.client.turn()
    let genuine = Array(pair.client.takePackets()[0].dropFirst(VirtioNetHeader.length))
    func forge(_ reason: DropReason, mtu: Int = 700, _ change: (inout [UInt8]) -> Void) throws {
      var quote = genuine
      change(&quote)
      let before = pair.client.statistics[reason]
      pair.client.kernel.inputs.append(.packet(ICMPError.tooBig(quote, mtu: mtu).frame))
      try pair.client.turn()
      #expect(pair.client.statistics[reason] == before + 1, "\(reason)")
    }
    try forge(.foreignAddress) { $0[15] ^= 4 }
    // The other end's address, then either port.
    try forge(.icmpNotCredible) { $0[19] ^= 4 }
    try forge(.icmpNotCredible) { $0[21] ^= 4 }
    try forge(.icmpNotCredible) { $0[23] ^= 4 }
    // Not sent yet; sent long ago.
    try forge(.icmpNotCredible) { $0[24] ^= 0x40 }
    try forge(.icmpNotCredible) { $0[24] ^= 0xc0 }
    try forge(.icmpNotCredible, mtu: 500) { _ in }
    // As long as the packet was, or longer.
    try forge(.icmpNotCredible, mtu: 1_040) { _ in }
    try forge(.icmpIgnored, mtu: 1_500) { ($0[2], $0[3]) = (0xff, 0xff) }
    #expect(pair.client.statistics[.pathMTUUpdates] == 0)
    #expect(pair.client.takeEvents().isEmpty)
    pair.client.send(Self.datagram(1_460), from: Self.app)
    try pair.settle()
    #expect(pair.server.takeDeliveries().map(\.payload.count) == [1_460])
    expectBalance(pair.client)
    pair.expectNoLeak(0)
  }

  @Test func `an error for another port than a server's is foreign`() throws {
    let (pair, flow) = try openPair()
    pair.server.answer(Self.datagram(1_000), flow: flow)
    try pair.server.turn()
    var quote = Array(pair.server.takePackets()[0].dropFirst(VirtioNetHeader.length))
    quote[20] ^= 1
    pair.server.kernel.inputs.append(.packet(ICMPError.tooBig(quote, mtu: 700).frame))
    try pair.server.turn()
    #expect(pair.server.statistics[.foreignPort] == 1)
    expectBalance(pair.server)
  }

  @Test(arguments: [false, true])
  func `errors cut short, broken or of other kinds are dropped under a name`(isIPv6: Bool) throws {
    let (pair, _) = try openPair(isIPv6: isIPv6)
    pair.client.send(Self.datagram(1_000), from: Self.app)
    try pair.client.turn()
    let sent = Array(pair.client.takePackets()[0].dropFirst(VirtioNetHeader.length))
    var error = ICMPError.tooBig(sent, mtu: 1_280, quotedLength: 64)
    let frame = error.frame
    for length in 0..<frame.count {
      pair.client.kernel.inputs.append(.packet(Array(frame.prefix(length))))
    }
    try pair.client.turn()
    #expect(pair.client.statistics[.shortPacket] == UInt64(frame.count))
    var broken = frame
    broken[frame.count - 1] ^= 1
    pair.client.kernel.inputs.append(.packet(broken))
    // An echo request.
    (error.type, error.code) = (isIPv6 ? 128 : 8, 0)
    pair.client.kernel.inputs.append(.packet(error.frame))
    try pair.client.turn()
    #expect(pair.client.statistics[.badChecksum] == 1)
    #expect(pair.client.statistics[.icmpIgnored] == 1)
    #expect(pair.client.statistics[.pathMTUUpdates] == 0)
    expectBalance(pair.client)
    pair.expectNoLeak(0)
  }

  @Test func `of a train that is too large the shorter last datagram goes if it fits`() throws {
    let (pair, _) = try openPair()
    let parts = [Self.datagram(1_470), Self.datagram(1_470), Self.datagram(300)]
    pair.client.send(parts.flatMap { $0 }, partSize: 1_470, from: Self.app)
    pair.client.send(Self.datagram(1_480) + Self.datagram(1_465), partSize: 1_480, from: Self.app)
    pair.client.send(Self.datagram(1_480) + Self.datagram(1_480), partSize: 1_480, from: Self.app)
    try pair.settle()
    expect(pair.server, delivered: [parts[2]])
    #expect(pair.client.statistics[.datagramTooLarge] == 6)
    expectBalance(pair.client)
    pair.expectNoLeak(0)
  }

  @Test func `what waited while the limit was lowered is measured by the new one`() throws {
    let pair = try SimulatedPair()
    pair.client.unwatch()
    for _ in 0..<30 { pair.client.send(Self.datagram(1_400), from: Self.app) }
    try pair.step()
    for size in [1_400, 1_200, 1_400, 1_300] {
      for _ in 0..<10 { pair.client.send(Self.datagram(size), from: Self.app) }
    }
    try pair.client.turn()
    // A first flight is under way, the rest waits for the server's word; a router speaks first.
    #expect(narrow(pair.client, mtu: 1_300).isEmpty)
    try pair.client.turn()
    pair.client.kernel.now += Limits.confirmationNanosecondsMin + 100_000_000
    try pair.client.turn()
    let rest = pair.client.takePackets().map(TestPacket.init).flatMap { $0.split() }.map(\.payload.count)
    #expect(rest == [Int](repeating: 1_200, count: 10))
    #expect(pair.client.takeEvents().map(\.kind) == [.opened, .pathLimitLowered, .datagramTooLarge])
    expectBalance(pair.client)
    pair.expectNoLeak(0)
  }

  @Test(arguments: [
    (9_000, false, 8_960), (9_000, true, 8_940), (65_535, false, 65_495), (65_535, true, 65_475),
  ])
  func `jumbo frames carry datagrams up to their size, one by one and in trains`(
    mtu: Int, isIPv6: Bool, limit: Int
  ) throws {
    let (pair, flow) = try openPair(isIPv6: isIPv6, mtu: mtu)
    let sizes = [1, 1_460, limit / 2, limit - 1, limit, limit, limit, 3_000]
    for size in sizes + [limit + 1] { pair.client.send(Self.datagram(size), from: Self.app) }
    try pair.settle()
    expect(pair.server, delivered: sizes.map(Self.datagram))
    #expect(pair.client.statistics[.datagramTooLarge] == 1)
    for size in sizes + [limit + 1] { pair.server.answer(Self.datagram(size), flow: flow) }
    try pair.settle()
    expect(pair.client, delivered: sizes.map(Self.datagram))
    #expect(pair.server.statistics[.datagramTooLarge] == 1)
    expectBalance(pair.client)
    expectBalance(pair.server)
    pair.expectNoLeak(0)
  }

  @Test func `jumbo datagrams wait for a handshake like small ones`() throws {
    let pair = try SimulatedPair(mtu: 9_000)
    let sent = (0..<50).map { SimulationTests.payload(0, $0, size: 8_960 - $0) }
    for payload in sent { pair.client.send(payload, from: Self.app) }
    try pair.settle()
    expect(pair.server, delivered: sent)
    expectBalance(pair.client)
    pair.expectNoLeak(0)
  }
}
