@testable import DataPlane

/// One guise end without a worker: a flow's state machine, and the cookie that opens it where it is the server.
///
/// Takes and gives raw IP packets, one segment each.
struct FlowEnd {
  let role: Role
  var flow: Flow
  let cookie: HandshakeCookie
  var packets: [[UInt8]] = []
  var datagrams: [[UInt8]] = []
  /// What the flow asked for, apart from nothing and delivering.
  var effects: [Reaction.Effect] = []
  private let idleNanoseconds: UInt64 = 180_000_000_000

  /// `key` is seen from this end.
  init(_ role: Role, key: FlowKey, cookieKey: (UInt64, UInt64) = (1, 2), now: UInt64) {
    self.role = role
    cookie = HandshakeCookie(key: cookieKey)
    flow = Flow(key: key, peer: .none, generation: 1, segmentBytesMax: 1_460, now: now)
  }

  mutating func takePackets() -> [[UInt8]] {
    defer { packets = [] }
    return packets
  }

  mutating func takeDatagrams() -> [[UInt8]] {
    defer { datagrams = [] }
    return datagrams
  }

  mutating func open(now: UInt64) { transmit(flow.open(now: now)) }

  var isOpen: Bool { flow.state == .established || flow.state == .unconfirmed }

  /// Sends a datagram over the open flow.
  mutating func send(_ payload: [UInt8], now: UInt64) {
    precondition(isOpen)
    var header = flow.control(.ack)
    header.acknowledgement = flow.acknowledgementForData(now: now)
    header.payloadLength = payload.count
    flow.sendNext += payload.count
    flow.lastActivity = now
    transmit(header, payload)
  }

  mutating func receive(_ packet: [UInt8], now: UInt64) throws(DropReason) {
    let segment = try Segment.parse(packet.raw, vnet: .plain)
    precondition(segment.key == flow.key)
    if flow.state == .free {
      guard answerStranger(segment, now: now) else { return }
      guard segment.payloadLength > 0 else { return }
    }
    let reaction = flow.receive(segment, now: now)
    if reaction.effect == .deliver {
      datagrams.append(Array(packet[segment.payloadOffset..<segment.payloadOffset + segment.payloadLength]))
    }
    take(reaction)
  }

  mutating func advance(to now: UInt64) { take(flow.expire(now: now, idleNanoseconds: idleNanoseconds)) }

  /// The server's side of a handshake; true when the segment has opened the flow.
  private mutating func answerStranger(_ segment: Segment, now: UInt64) -> Bool {
    guard role == .server, !segment.flags.contains(.rst) else { return false }
    if segment.flags.contains(.syn) {
      transmit(
        SegmentHeader(
          key: segment.key, sequence: cookie.sequence(for: segment.key, now: now),
          acknowledgement: segment.sequence + 1, flags: [.syn, .ack]))
      return false
    }
    guard cookie.accepts(segment.acknowledgement, for: segment.key, now: now) else { return false }
    transmit(flow.accept(segment, now: now))
    return true
  }

  private mutating func take(_ reaction: Reaction) {
    if let reply = reaction.reply { transmit(reply) }
    switch reaction.effect {
    case .none, .deliver, .probe, .probeAnswered, .suspended: break
    case .close:
      flow.state = .free
      fallthrough
    case .established, .drop: effects.append(reaction.effect)
    }
  }

  private mutating func transmit(_ header: SegmentHeader, _ payload: [UInt8] = []) {
    // A frame of our own making that the kernel would refuse is the test's failure, too.
    guard let sent = try? TunFrame(header, payload: payload).packets else { fatalError("refused: \(header)") }
    packets += sent
  }
}
