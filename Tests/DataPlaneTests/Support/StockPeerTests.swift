import Testing

@testable import DataPlane

/// The model of a stock peer against recordings of stock itself.
@Suite struct StockPeerTests {
  private let second: UInt64 = 1_000_000_000

  /// Carries everything back and forth until nothing is left, and returns it in the order it went.
  private func exchange(_ client: inout StockPeer, _ server: inout StockPeer, now: UInt64) -> [[UInt8]] {
    var carried = [[UInt8]]()
    while true {
      let up = client.takePackets()
      for packet in up { server.receive(packet, now: now) }
      let down = server.takePackets()
      for packet in down { client.receive(packet, now: now) }
      carried += up + down
      if up.isEmpty, down.isEmpty { return carried }
    }
  }

  private func pair(_ recording: Recording, firstPort: UInt16 = 40_000) -> (
    client: StockPeer, server: StockPeer
  ) {
    let endpoint = Endpoint(recording.server, port: Recording.serverPort)
    return (
      StockPeer(.client(server: endpoint, firstPort: firstPort), at: recording.client),
      StockPeer(.server(port: Recording.serverPort), at: recording.server)
    )
  }

  @Test(arguments: Recording.allCases, 0..<3)
  func `two of them send what the recording shows, byte for byte`(recording: Recording, flow: Int) throws {
    let port = recording.clientPorts[flow]
    let recorded = try recording.packets.filter {
      let packet = try #require(Packet($0))
      return packet.source.port == port || packet.destination.port == port
    }
    var (client, server) = pair(recording, firstPort: port)
    var sent = [[UInt8]]()
    // The recording's datagrams: every one of the client's is answered by the server with the same bytes.
    for packet in recorded {
      let packet = try #require(Packet(packet))
      guard packet.source.port == port, !packet.payload.isEmpty else { continue }
      client.send(packet.payload, application: 9_999, now: 0)
      sent += exchange(&client, &server, now: 0)
      for datagram in server.takeDatagrams() { server.send(datagram.payload, over: datagram.flow, now: 0) }
      sent += exchange(&client, &server, now: 0)
    }
    let untravelled = try recorded.map {
      var packet = try #require(Packet($0))
      packet.timeToLive = 64
      return packet.bytes
    }
    #expect(sent == untravelled)
  }

  @Test func `a client sends three SYNs, gives up, and starts anew with the next datagram`() {
    var (client, _) = pair(.ipv4)
    for number in 0..<3 { client.send([UInt8(number)], application: 1, now: 0) }
    var kinds = [TCPFlags]()
    var ports = [UInt16]()
    for tick in 0..<9 {
      client.advance(to: UInt64(tick) * second)
      for bytes in client.takePackets() {
        let packet = expectPacket(bytes, .stockShape, .sequence(0), .acknowledgement(0))
        kinds.append(packet?.flags ?? [])
        ports.append(packet?.source.port ?? 0)
      }
    }
    let attempt: [TCPFlags] = [.syn, .syn, .syn, .rst]
    #expect(kinds == attempt + attempt + attempt.dropLast())
    #expect(
      ports == [40_000, 40_000, 40_000, 40_000, 40_001, 40_001, 40_001, 40_001, 40_002, 40_002, 40_002])
  }

  @Test func `a server answers a SYN of another sequence number with a reset`() {
    var (_, server) = pair(.ipv4)
    let client = Endpoint(Recording.ipv4.client, port: 40_000)
    let listener = Endpoint(Recording.ipv4.server, port: Recording.serverPort)
    server.receive(Packet(from: client, to: listener, .syn, sequence: 1).bytes, now: 0)
    expectPacket(server.takePackets().first, .stockShape, .flags([.rst, .ack]), .sequence(0))
    #expect(server.flows.isEmpty)
  }

  @Test func `data completes a handshake but is lost itself`() {
    var (client, server) = pair(.ipv4)
    client.send([1], application: 1, now: 0)
    for packet in client.takePackets() { server.receive(packet, now: 0) }
    for packet in server.takePackets() { client.receive(packet, now: 0) }
    // The ACK does not arrive, the datagram behind it does.
    let last = client.takePackets()
    #expect(last.count == 2)
    server.receive(last[1], now: 0)
    #expect(server.establishedFlows.count == 1)
    #expect(server.takeDatagrams().isEmpty)
  }

  @Test func `a segment of no flow is reset at the sequence it would take`() {
    var (_, server) = pair(.ipv4)
    let client = Endpoint(Recording.ipv4.client, port: 40_000)
    let listener = Endpoint(Recording.ipv4.server, port: Recording.serverPort)
    let stray = Packet(
      from: client, to: listener, .ack, sequence: 500, acknowledgement: 900, payload: [1, 2, 3])
    server.receive(stray.bytes, now: 0)
    expectPacket(
      server.takePackets().first, .stockShape, .flags([.rst, .ack]), .sequence(900), .acknowledgement(503),
      .from(listener), .to(client))
    server.receive(Packet(from: client, to: listener, .rst, sequence: 500).bytes, now: 0)
    #expect(server.takePackets().isEmpty)
  }

  @Test func `a flow without traffic is reset after 180 seconds`() {
    var (client, server) = pair(.ipv4)
    client.send([1], application: 1, now: 0)
    _ = exchange(&client, &server, now: 0)
    #expect(server.takeDatagrams().count == 1)
    client.advance(to: 179 * second)
    #expect(client.takePackets().isEmpty)
    client.advance(to: 180 * second)
    expectPacket(client.takePackets().first, .stockShape, .flags(.rst), .sequence(2), .acknowledgement(0))
    #expect(client.flows.isEmpty)
  }

  @Test func `the handshake packet is the first datagram of either end that has one`() {
    let endpoint = Endpoint(Recording.ipv4.server, port: Recording.serverPort)
    var client = StockPeer(
      .client(server: endpoint, firstPort: 40_000), at: Recording.ipv4.client, handshakePacket: [7, 7])
    var server = StockPeer(
      .server(port: Recording.serverPort), at: Recording.ipv4.server, handshakePacket: [8])
    client.send([1], application: 1, now: 0)
    _ = exchange(&client, &server, now: 0)
    #expect(server.takeDatagrams().map(\.payload) == [[7, 7], [1]])
    #expect(client.takeDatagrams().map(\.payload) == [[8]])
  }

  @Test func `an empty datagram is a pure ACK and one beyond the MTU is lost`() {
    var (client, server) = pair(.ipv4)
    client.send([1], application: 1, now: 0)
    _ = exchange(&client, &server, now: 0)
    _ = server.takeDatagrams()
    client.send([], application: 1, now: 0)
    client.send([UInt8](repeating: 1, count: 1_461), application: 1, now: 0)
    let sent = exchange(&client, &server, now: 0)
    #expect(sent.count == 1)
    expectPacket(sent.first, .flags(.ack), .noPayload)
    #expect(server.takeDatagrams().isEmpty)
  }
}
