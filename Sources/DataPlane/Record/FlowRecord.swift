/// A flow as the next process finds it in a flow file: what is needed to go on, no more.
///
/// A worker's flows lie in the file as they are (`FlowFile`), so that nothing is written twice. Identity, the
/// TCP and the UDP side, is sealed when a flow opens; what changes with each packet is not, since a process
/// that is killed leaves every single store whole (docs/decisions/0055-flow-file.md).
package struct FlowRecord: Equatable, Sendable {
  /// The TCP side.
  let key: FlowKey
  /// Client: the application, the address it spoke to, and the connection's number in place of a port.
  /// Server: the service, and the flow's own address and port towards it.
  let peer: FlowKey
  let sendNext: SequenceNumber
  let receiveNext: SequenceNumber
  /// CLOCK_MONOTONIC, nanoseconds.
  let lastActivity: UInt64
  /// Whether the other end is known to answer probes, so that its silence means something.
  let isProven: Bool

  /// Where each field lies in a `Flow`. Whoever moves one raises `FlowFileHeader.version`; FlowLayoutTests
  /// compares.
  enum Offset {
    static let key = 0
    static let sendNext = 36
    static let receiveNext = 40
    static let state = 48
    static let lastActivity = 56
    static let peer = 64
    static let witness = 125
    static let seal = 128
  }
  /// Bytes that a record takes at least.
  static let length = Offset.seal + 4

  /// What a slot of the file holds.
  enum Slot: Equatable {
    case free
    /// The handshake was not complete, the flow was to take another's place, or the process was killed while it
    /// opened or closed it.
    case unfinished
    case flow(FlowRecord)
  }

  /// Reads a slot of at least `length` bytes.
  static func read(_ bytes: RawSpan) -> Slot {
    precondition(bytes.byteCount >= length)
    let state = bytes.field8(Offset.state)
    guard state != Flow.State.free.rawValue else { return .free }
    let key = bytes.raw(Offset.key, as: FlowKey.self)
    let peer = bytes.raw(Offset.peer, as: FlowKey.self)
    let isOpen = [Flow.State.unconfirmed, .established, .suspended].contains { $0.rawValue == state }
    guard isOpen,
      bytes.raw(Offset.seal, as: UInt32.self) == seal(key, peer), key.local.isIPv4 == key.remote.isIPv4
    else { return .unfinished }
    return .flow(
      FlowRecord(
        key: key, peer: peer, sendNext: SequenceNumber(bytes.raw(Offset.sendNext, as: UInt32.self)),
        receiveNext: SequenceNumber(bytes.raw(Offset.receiveNext, as: UInt32.self)),
        lastActivity: bytes.raw(Offset.lastActivity, as: UInt64.self),
        isProven: state == Flow.State.suspended.rawValue
          || [Liveness.Witness.proven, .resumed].contains { $0.rawValue == bytes.field8(Offset.witness) }))
  }

  /// Tells whole identities from those that a killed process left half written; never 0.
  static func seal(_ key: FlowKey, _ peer: FlowKey) -> UInt32 {
    let hash = KeyHash(seed: (0x6775_6973_6520_666c, 0x6f77_2072_6563_6f72))
    return UInt32(truncatingIfNeeded: (hash.hash(key) &* 3 ^ hash.hash(peer)) >> 32) | 1
  }

  /// Whether the flow would still be open, had its process gone on.
  func isAlive(now: UInt64, idleNanoseconds: UInt64) -> Bool {
    lastActivity <= now && now - lastActivity < idleNanoseconds
  }
}

extension Flow {
  /// Notes that key and peer are what they will be: from now on a record of this flow counts.
  mutating func sealIdentity() { seal = FlowRecord.seal(key, peer) }

  /// Goes on where `record` ends. The ack field is as far as the data: whoever looks on from the path has
  /// seen nothing acknowledged for a while. The other end is asked for a sign of life at once, by a client.
  mutating func resume(_ record: FlowRecord) {
    state = .established
    sendNext = record.sendNext
    receiveNext = record.receiveNext
    acknowledged = record.receiveNext
    liveness.heard = record.sendNext
    if record.isProven { liveness.witness = .resumed }
    lastActivity = record.lastActivity
    sealIdentity()
  }
}
