import Testing

@testable import DataPlane

/// The flow's state machine and the cookie against a stock peer, packet by packet.
@Suite struct StockCompatibilityTests {
  private static let second: UInt64 = 1_000_000_000
  private static let start: UInt64 = 1_000 * second
  private static let port = Recording.serverPort

  /// A guise client and a stock server.
  private struct GuiseClient {
    var client: FlowEnd
    var server: StockPeer
    var now = start

    init(_ recording: Recording, handshakePacket: [UInt8] = []) {
      let key = FlowKey(
        remote: recording.server, local: recording.client, remotePort: port, localPort: 33_000)
      client = FlowEnd(.client, key: key, now: start)
      server = StockPeer(.server(port: port), at: recording.server, handshakePacket: handshakePacket)
    }

    /// Carries packets until both are silent; `isLost` says which do not arrive.
    mutating func exchange(losing isLost: (Packet) -> Bool = { _ in false }) throws {
      while true {
        let up = client.takePackets().filter { !isLost(Packet($0)!) }
        for packet in up { server.receive(packet, now: now) }
        let down = server.takePackets().filter { !isLost(Packet($0)!) }
        for packet in down { try client.receive(packet, now: now) }
        if up.isEmpty, down.isEmpty { return }
      }
    }

    mutating func sleep(seconds: Int) {
      now += UInt64(seconds) * second
      client.advance(to: now)
      server.advance(to: now)
    }

    mutating func establish() throws {
      client.open(now: now)
      try exchange()
      #expect(client.isOpen && server.establishedFlows.count == 1)
    }

    /// The flow as the server sees it.
    var serverKey: FlowKey {
      let key = client.flow.key
      return FlowKey(
        remote: key.local, local: key.remote, remotePort: key.localPort, localPort: key.remotePort)
    }
  }

  /// A stock client and a guise server.
  private struct GuiseServer {
    var client: StockPeer
    var server: FlowEnd
    var now = start

    init(_ recording: Recording, cookieKey: (UInt64, UInt64) = (1, 2)) {
      let endpoint = Endpoint(recording.server, port: port)
      client = StockPeer(.client(server: endpoint, firstPort: 40_000), at: recording.client)
      let key = FlowKey(
        remote: recording.client, local: recording.server, remotePort: 40_000, localPort: port)
      server = FlowEnd(.server, key: key, cookieKey: cookieKey, now: start)
    }

    mutating func exchange(losing isLost: (Packet) -> Bool = { _ in false }) throws {
      while true {
        let up = client.takePackets().filter { !isLost(Packet($0)!) }
        for packet in up { try server.receive(packet, now: now) }
        let down = server.takePackets().filter { !isLost(Packet($0)!) }
        for packet in down { client.receive(packet, now: now) }
        if up.isEmpty, down.isEmpty { return }
      }
    }

    mutating func sleep(seconds: Int) {
      now += UInt64(seconds) * second
      client.advance(to: now)
      if server.flow.state != .free { server.advance(to: now) }
    }
  }

  // MARK: - Guise client, stock server

  @Test(arguments: Recording.allCases)
  func `a stock server takes our handshake and data crosses both ways`(recording: Recording) throws {
    var pair = GuiseClient(recording)
    try pair.establish()
    for size in [1, 2, 1_399, 1_400] {
      pair.client.send([UInt8](repeating: 5, count: size), now: pair.now)
      try pair.exchange()
      let datagrams = pair.server.takeDatagrams()
      #expect(datagrams.map(\.payload.count) == [size])
      pair.server.send(datagrams[0].payload, over: datagrams[0].flow, now: pair.now)
      try pair.exchange()
      #expect(pair.client.takeDatagrams().map(\.count) == [size])
    }
  }

  @Test(arguments: Recording.allCases)
  func `our packets are the recorded ones while the other end is stock`(recording: Recording) throws {
    let recorded = try recording.packets.map { try #require(Packet($0)) }
    let key = FlowKey(
      remote: recording.server, local: recording.client, remotePort: Self.port,
      localPort: recording.clientPorts[0])
    var client = FlowEnd(.client, key: key, now: Self.start)
    client.open(now: Self.start)
    for packet in recorded[0..<9] {
      if packet.source.port == Self.port {
        try client.receive(packet.bytes, now: Self.start)
        continue
      }
      if !packet.payload.isEmpty { client.send(packet.payload, now: Self.start) }
      #expect(client.packets.count == 1)
      // Ours acknowledges in steps; all the rest is the same.
      expectPacket(
        client.takePackets().first, .stockShape, .from(packet.source), .to(packet.destination),
        .flags(packet.flags), .sequence(packet.sequence), .payload(packet.payload))
    }
    #expect(client.datagrams.count == 3)
  }

  @Test func `a lost SYN is sent again after a second`() throws {
    var pair = GuiseClient(.ipv4)
    pair.client.open(now: pair.now)
    try pair.exchange { $0.flags == .syn }
    #expect(pair.server.flows.isEmpty)
    pair.sleep(seconds: 1)
    try pair.exchange()
    #expect(pair.client.isOpen)
  }

  @Test func `a lost SYN-ACK comes again and establishes the flow`() throws {
    var pair = GuiseClient(.ipv4)
    pair.client.open(now: pair.now)
    try pair.exchange { $0.flags == [.syn, .ack] }
    #expect(pair.client.flow.state == .synSent)
    pair.sleep(seconds: 1)
    try pair.exchange()
    #expect(pair.client.isOpen)
    #expect(pair.server.establishedFlows == [pair.serverKey])
  }

  @Test func `a lost ACK is made good by acknowledging the repeated SYN-ACK`() throws {
    var pair = GuiseClient(.ipv4)
    pair.client.open(now: pair.now)
    try pair.exchange { $0.flags == .ack }
    #expect(pair.client.isOpen)
    #expect(pair.server.establishedFlows.isEmpty)
    pair.sleep(seconds: 1)
    try pair.exchange()
    #expect(pair.server.establishedFlows == [pair.serverKey])
    pair.client.send([1, 2, 3], now: pair.now)
    try pair.exchange()
    #expect(pair.server.takeDatagrams().map(\.payload) == [[1, 2, 3]])
  }

  @Test func `a lost ACK is made good by the first datagram, which stock loses`() throws {
    var pair = GuiseClient(.ipv4)
    pair.client.open(now: pair.now)
    try pair.exchange { $0.flags == .ack }
    pair.client.send([1], now: pair.now)
    pair.client.send([2], now: pair.now)
    try pair.exchange()
    #expect(pair.server.establishedFlows == [pair.serverKey])
    #expect(pair.server.takeDatagrams().map(\.payload) == [[2]])
  }

  @Test func `a restarted server is noticed by its answer to the next datagram`() throws {
    var pair = GuiseClient(.ipv4)
    try pair.establish()
    for _ in 0..<3 {
      pair.client.send([UInt8](repeating: 1, count: 1_000), now: pair.now)
      pair.server.send([9], over: pair.serverKey, now: pair.now)
      try pair.exchange()
    }
    pair.server.restart()
    pair.client.send([1], now: pair.now)
    try pair.exchange()
    #expect(pair.client.effects.last == .close(.resetByPeer))
  }

  @Test func `a server that closes an idle flow is believed`() throws {
    var pair = GuiseClient(.ipv4)
    try pair.establish()
    // Ours would close at the same moment: it hears from an application in between.
    pair.now += 100 * Self.second
    pair.client.flow.lastActivity = pair.now
    pair.sleep(seconds: 80)
    try pair.exchange()
    #expect(pair.client.effects.last == .close(.resetByPeer))
  }

  @Test func `our reset of an idle flow closes the server's`() throws {
    var pair = GuiseClient(.ipv4)
    try pair.establish()
    pair.sleep(seconds: 1)
    pair.now += 179 * Self.second
    pair.client.advance(to: pair.now)
    #expect(pair.client.effects.last == .close(.idle))
    expectPacket(pair.client.packets.last, .stockShape, .flags(.rst), .sequence(1), .acknowledgement(0))
    for packet in pair.client.takePackets() { pair.server.receive(packet, now: pair.now) }
    #expect(pair.server.flows.isEmpty)
  }

  @Test func `the server's handshake packet arrives like any datagram`() throws {
    var pair = GuiseClient(.ipv4, handshakePacket: [4, 4, 4])
    try pair.establish()
    #expect(pair.client.takeDatagrams() == [[4, 4, 4]])
  }

  @Test func `a stock server that stays silent does not hold the flow up`() throws {
    var pair = GuiseClient(.ipv4)
    try pair.establish()
    #expect(pair.client.flow.state == .unconfirmed)
    pair.sleep(seconds: 1)
    #expect(pair.client.flow.state == .established)
    #expect(pair.client.packets.isEmpty)
  }

  @Test func `a one-way stream from stock is acknowledged while conntrack still counts it valid`() throws {
    var pair = GuiseClient(.ipv4)
    try pair.establish()
    let payload = [UInt8](repeating: 1, count: 1_400)
    var unacknowledged = 0
    for _ in 0..<2_000 {
      pair.server.send(payload, over: pair.serverKey, now: pair.now)
      unacknowledged += payload.count
      for packet in pair.server.takePackets() { try pair.client.receive(packet, now: pair.now) }
      if !pair.client.takePackets().isEmpty { unacknowledged = 0 }
      #expect(unacknowledged <= Limits.pureAckBytes)
    }
  }

  // MARK: - Stock client, guise server

  @Test(arguments: Recording.allCases, Seeds.all)
  func `a stock client takes any cookie and data crosses both ways`(recording: Recording, seed: UInt64) throws
  {
    var random = SeededRandom(seed: seed)
    for _ in 0..<20 {
      var pair = GuiseServer(recording, cookieKey: (random.next(), random.next()))
      pair.client.send([1, 2, 3], application: 1, now: pair.now)
      try pair.exchange()
      #expect(pair.server.isOpen)
      #expect(pair.server.takeDatagrams() == [[1, 2, 3]])
      pair.server.send([4, 5], now: pair.now)
      try pair.exchange()
      #expect(pair.client.takeDatagrams().map(\.payload) == [[4, 5]])
    }
  }

  @Test func `the server acknowledges at once, so that conntrack learns its window`() throws {
    var pair = GuiseServer(.ipv4)
    pair.client.send([1], application: 1, now: pair.now)
    for packet in pair.client.takePackets() { try pair.server.receive(packet, now: pair.now) }
    let synAck = try #require(
      expectPacket(pair.server.packets.last, .stockShape, .flags([.syn, .ack]), .acknowledgement(1)))
    for packet in pair.server.takePackets() { pair.client.receive(packet, now: pair.now) }
    try pair.server.receive(pair.client.takePackets()[0], now: pair.now)
    #expect(pair.server.packets.count == 1)
    expectPacket(
      pair.server.packets.last, .stockShape, .flags(.ack), .sequence(synAck.sequence &+ 1),
      .acknowledgement(1),
      .noPayload)
  }

  @Test func `a SYN leaves no state behind and its retransmission gets the same answer`() throws {
    var pair = GuiseServer(.ipv4)
    pair.client.send([1], application: 1, now: pair.now)
    let syn = pair.client.takePackets()[0]
    try pair.server.receive(syn, now: pair.now)
    try pair.server.receive(syn, now: pair.now + 1_000)
    #expect(pair.server.flow.state == .free)
    #expect(pair.server.packets.count == 2 && pair.server.packets[0] == pair.server.packets[1])
  }

  @Test func `when the third packet is lost the datagram behind it opens the flow and is delivered`() throws {
    var pair = GuiseServer(.ipv4)
    pair.client.send([1], application: 1, now: pair.now)
    try pair.exchange { $0.flags == .ack && $0.payload.isEmpty && $0.source.port == 40_000 }
    #expect(pair.server.isOpen)
    #expect(pair.server.takeDatagrams() == [[1]])
  }

  @Test func `even a later datagram opens the flow when the first ones are lost too`() throws {
    var pair = GuiseServer(.ipv4)
    pair.client.send([1], application: 1, now: pair.now)
    try pair.exchange { $0.source.port == 40_000 && $0.flags == .ack }
    #expect(pair.server.flow.state == .free)
    pair.sleep(seconds: 30)
    pair.client.send([2, 3], application: 1, now: pair.now)
    try pair.exchange()
    #expect(pair.server.takeDatagrams() == [[2, 3]])
    // Stock acknowledges the cookie with its first answer.
    pair.server.send([4], now: pair.now)
    try pair.exchange()
    #expect(pair.client.takeDatagrams().map(\.payload) == [[4]])
  }

  @Test func `a client that closes its idle flow is believed`() throws {
    var pair = GuiseServer(.ipv4)
    pair.client.send([1], application: 1, now: pair.now)
    try pair.exchange()
    pair.now += 100 * Self.second
    pair.server.flow.lastActivity = pair.now
    pair.sleep(seconds: 80)
    try pair.exchange()
    #expect(pair.server.effects.last == .close(.resetByPeer))
    #expect(pair.client.flows.isEmpty)
  }
}
