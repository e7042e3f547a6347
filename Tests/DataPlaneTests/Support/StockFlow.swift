@testable import DataPlane

/// One flow of a stock peer: what its TCP side remembers, and the packets it makes.
struct StockFlow {
  enum State {
    case synSent
    case synReceived
    case established
  }

  /// From the stock peer's side.
  let key: FlowKey
  /// Client: the application's UDP port.
  let application: UInt16?
  var state: State
  var sequence: UInt32 = 0
  var acknowledgement: UInt32
  /// Rounds of the handshake that are left: each sends or waits, in turn.
  var triesLeft = StockFlow.tries
  /// When the current wait is over, or the flow has been idle for too long.
  var dueAt: UInt64 = 0
  /// Client: datagrams that came before the handshake was over.
  var waiting: [[UInt8]] = []
  private var lastAcknowledged: UInt32 = 0

  static let tries = 6
  static let waitNanoseconds: UInt64 = 1_000_000_000
  static let idleNanoseconds: UInt64 = 180_000_000_000
  static let pureAckBytes: UInt32 = 128 << 20
  /// Larger datagrams are lost without a word.
  static let payloadMax = 1_460

  init(key: FlowKey, application: UInt16?, state: State, acknowledgement: UInt32) {
    self.key = key
    self.application = application
    self.state = state
    self.acknowledgement = acknowledgement
  }

  /// The next packet as things stand.
  mutating func packet(_ flags: TCPFlags, payload: [UInt8] = []) -> [UInt8] {
    let isBareReset = flags == .rst
    if flags.contains(.ack) { lastAcknowledged = acknowledgement }
    defer { sequence &+= UInt32(payload.count) }
    return Packet(
      from: key.localEndpoint, to: key.remoteEndpoint, flags, sequence: sequence,
      acknowledgement: isBareReset || !flags.contains(.ack) ? 0 : acknowledgement, payload: payload
    ).bytes
  }

  /// SYN or SYN|ACK, which takes one of the tries; then there is a second to wait.
  mutating func opening(now: UInt64) -> [UInt8] {
    triesLeft -= 1
    dueAt = now + Self.waitNanoseconds
    return packet(state == .synSent ? .syn : [.syn, .ack])
  }

  /// Whether a packet completes the handshake; nothing else in it counts.
  func isCompleted(by packet: Packet) -> Bool {
    let wanted: TCPFlags = state == .synSent ? [.syn, .ack] : .ack
    return packet.flags == wanted && packet.acknowledgement == sequence &+ 1
  }

  /// Takes a segment of an established flow: only its place matters, not whether it was expected.
  mutating func note(_ packet: Packet, now: UInt64) -> [UInt8]? {
    acknowledgement = packet.sequence &+ UInt32(packet.payload.count)
    dueAt = now + Self.idleNanoseconds
    return acknowledgement &- lastAcknowledged > Self.pureAckBytes ? self.packet(.ack) : nil
  }
}
