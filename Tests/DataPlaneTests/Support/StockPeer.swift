@testable import DataPlane

/// A stock Phantun 0.8.1 gateway as the other end sees it: raw IP packets in, raw IP packets and datagrams out.
///
/// A model of what is observable on the wire, not of its code. It does no IO and has no clock: whoever plugs it to
/// something says what time it is, carries what `takePackets` gives, and calls `advance` now and then.
struct StockPeer {
  enum Role {
    case client(server: Endpoint, firstPort: UInt16)
    case server(port: UInt16)
  }

  /// A UDP payload and the flow it came out of, seen from this side.
  struct Datagram: Equatable {
    var flow: FlowKey
    var payload: [UInt8]
  }

  let role: Role
  let address: Address
  /// The first data segment after each handshake; empty for none.
  let handshakePacket: [UInt8]
  private(set) var flows: [FlowKey: StockFlow] = [:]
  private var packets: [[UInt8]] = []
  private var datagrams: [Datagram] = []
  private var nextPort: UInt16 = 0

  init(_ role: Role, at address: Address, handshakePacket: [UInt8] = []) {
    self.role = role
    self.address = address
    self.handshakePacket = handshakePacket
    if case .client(_, let firstPort) = role { nextPort = firstPort }
  }

  /// What has been sent since the last call, in order.
  mutating func takePackets() -> [[UInt8]] {
    defer { packets = [] }
    return packets
  }

  /// What the UDP side has been given since the last call, in order.
  mutating func takeDatagrams() -> [Datagram] {
    defer { datagrams = [] }
    return datagrams
  }

  var establishedFlows: [FlowKey] { flows.values.filter { $0.state == .established }.map(\.key) }

  // MARK: - From UDP

  /// Client: a datagram from the application with this UDP port; its first one opens a flow.
  mutating func send(_ payload: [UInt8], application: UInt16, now: UInt64) {
    guard let flow = flows.values.first(where: { $0.application == application }) else {
      return open(for: application, waiting: [payload], now: now)
    }
    guard flow.state == .established else {
      flows[flow.key]!.waiting.append(payload)
      return
    }
    send(payload, over: flow.key, now: now)
  }

  /// A datagram over an established flow. An empty one becomes a pure ACK.
  mutating func send(_ payload: [UInt8], over key: FlowKey, now: UInt64) {
    guard flows[key]?.state == .established, payload.count <= StockFlow.payloadMax else { return }
    flows[key]!.dueAt = now + StockFlow.idleNanoseconds
    packets.append(flows[key]!.packet(.ack, payload: payload))
  }

  private mutating func open(for application: UInt16, waiting: [[UInt8]], now: UInt64) {
    guard case .client(let server, _) = role else { return }
    let key = FlowKey(
      remote: server.address, local: address, remotePort: server.port, localPort: nextPort)
    nextPort += 1
    var flow = StockFlow(key: key, application: application, state: .synSent, acknowledgement: 0)
    flow.waiting = waiting
    packets.append(flow.opening(now: now))
    flows[key] = flow
  }

  // MARK: - From TUN

  /// Takes a raw IP packet. Checksums are wrong only where the test is: that traps.
  mutating func receive(_ bytes: [UInt8], now: UInt64) {
    let packet = Packet(bytes)!
    guard packet.destination.address == address else { return }
    let key = FlowKey(
      remote: packet.source.address, local: address, remotePort: packet.source.port,
      localPort: packet.destination.port)
    guard let flow = flows[key] else { return receiveUnknown(packet, key, now: now) }
    if packet.flags.contains(.rst) { return close(key, now: now) }
    guard flow.state == .established else { return receiveHandshake(packet, key, now: now) }
    if let acknowledgement = flows[key]!.note(packet, now: now) { packets.append(acknowledgement) }
    if !packet.payload.isEmpty { datagrams.append(Datagram(flow: key, payload: packet.payload)) }
  }

  private mutating func receiveUnknown(_ packet: Packet, _ key: FlowKey, now: UInt64) {
    if packet.flags.contains(.rst) { return }
    if case .server(let port) = role, packet.flags == .syn, packet.sequence == 0,
      packet.destination.port == port
    {
      var flow = StockFlow(key: key, application: nil, state: .synReceived, acknowledgement: 1)
      packets.append(flow.opening(now: now))
      flows[key] = flow
      return
    }
    packets.append(
      Packet(
        from: packet.destination, to: packet.source, [.rst, .ack], sequence: packet.acknowledgement,
        acknowledgement: packet.sequence &+ UInt32(packet.payload.count)
      ).bytes)
  }

  private mutating func receiveHandshake(_ packet: Packet, _ key: FlowKey, now: UInt64) {
    guard flows[key]!.isCompleted(by: packet) else { return wait(key, isOver: false, now: now) }
    let isClient = flows[key]!.state == .synSent
    flows[key]!.state = .established
    flows[key]!.sequence &+= 1
    flows[key]!.dueAt = now + StockFlow.idleNanoseconds
    if isClient {
      flows[key]!.acknowledgement = packet.sequence &+ 1
      packets.append(flows[key]!.packet(.ack))
    }
    // The payload of the segment that completes a handshake is lost.
    let waiting = flows[key]!.waiting
    flows[key]!.waiting = []
    for payload in (handshakePacket.isEmpty ? [] : [handshakePacket]) + waiting {
      send(payload, over: key, now: now)
    }
  }

  // MARK: - The clock

  /// Does what is due: SYNs again, giving up, closing what is idle.
  mutating func advance(to now: UInt64) {
    // In a fixed order, whatever the dictionary's.
    for key in flows.keys.sorted(by: { ($0.localPort, $0.remotePort) < ($1.localPort, $1.remotePort) })
    where now >= flows[key]!.dueAt {
      if flows[key]!.state == .established { close(key, now: now) } else { wait(key, isOver: true, now: now) }
    }
  }

  /// A round of waiting has ended, with the wrong segment or with none: the next one sends again or waits on.
  private mutating func wait(_ key: FlowKey, isOver: Bool, now: UInt64) {
    flows[key]!.triesLeft -= 1
    guard flows[key]!.triesLeft > 0 else { return close(key, now: now) }
    if isOver { packets.append(flows[key]!.opening(now: now)) }
  }

  /// Drops a flow, for whatever reason: one bare reset. A datagram that waited for it is lost; the next one that did
  /// starts a new attempt.
  mutating func close(_ key: FlowKey, now: UInt64) {
    guard var flow = flows.removeValue(forKey: key) else { return }
    packets.append(flow.packet(.rst))
    guard let application = flow.application, flow.waiting.count > 1 else { return }
    open(for: application, waiting: Array(flow.waiting.dropFirst()), now: now)
  }

  /// Loses all state, as a process does that was killed.
  mutating func restart() {
    flows = [:]
    packets = []
    datagrams = []
  }
}
