/// The first 24 bytes of every datagram that is long enough: who sent it, which one it is, and when.
///
/// Three words in little-endian order, so that writing one takes three stores:
/// `magic 16 | length 16 | run 32`, `flow 16 | departure 48`, `sequence 64`.
package struct DatagramHead: Equatable, Sendable, BitwiseCopyable {
  /// Bytes on the wire.
  package static let byteCount = 24

  /// The number of datagrams that only open a flow: receivers verify them and count nothing.
  package static let openingSequence: UInt64 = 1 << 63

  /// No flow has so many datagrams: at ten million a second it would take 20 days.
  private static let sequenceEnd: UInt64 = 1 << 44

  /// "gl" in memory order.
  static let magic: UInt64 = 0x6c67

  /// What tells one run of the sender from another.
  package var run: UInt32
  /// The sender's flow, counted from 0.
  package var flow: UInt16
  /// Payload length of the whole datagram in bytes, this head included.
  package var length: UInt16
  /// Counted from 0 within the flow, or `openingSequence`.
  package var sequence: UInt64
  /// `CLOCK_MONOTONIC` of the sender in nanoseconds, modulo 2^48 (78 hours).
  package var departure: UInt64

  package init(run: UInt32, flow: UInt16, length: UInt16, sequence: UInt64, departure: UInt64) {
    self.run = run
    self.flow = flow
    self.length = length
    self.sequence = sequence
    self.departure = departure & Self.departureMask
  }

  /// Whether a sender can have numbered one so.
  var isSequencePossible: Bool {
    @inline(__always) get { sequence < Self.sequenceEnd || sequence == Self.openingSequence }
  }

  /// Reads a head; nil when `bytes` are too few, or begin otherwise, or name another length than theirs.
  @inline(__always)
  package init?(_ bytes: RawSpan) {
    guard bytes.byteCount >= Self.byteCount else { return nil }
    // Safety: the length was checked above.
    let (first, second, third) = unsafe (
      UInt64(littleEndian: bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: 0, as: UInt64.self)),
      UInt64(littleEndian: bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: 8, as: UInt64.self)),
      UInt64(littleEndian: bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: 16, as: UInt64.self))
    )
    guard first & 0xffff == Self.magic, Int(first >> 16 & 0xffff) == bytes.byteCount else { return nil }
    run = UInt32(truncatingIfNeeded: first >> 32)
    length = UInt16(truncatingIfNeeded: first >> 16)
    flow = UInt16(truncatingIfNeeded: second)
    departure = second >> 16
    sequence = third
  }

  /// Writes `byteCount` bytes at `target`.
  @inline(__always)
  package func write(to target: UnsafeMutableRawPointer) {
    let first = Self.magic | UInt64(length) << 16 | UInt64(run) << 32
    let second = UInt64(flow) | departure << 16
    unsafe target.storeBytes(of: first.littleEndian, as: UInt64.self)
    unsafe target.storeBytes(of: second.littleEndian, toByteOffset: 8, as: UInt64.self)
    unsafe target.storeBytes(of: sequence.littleEndian, toByteOffset: 16, as: UInt64.self)
  }

  /// Nanoseconds from departure to `arrival` (`CLOCK_MONOTONIC` of the same host), across the wrap of the field.
  package func age(at arrival: UInt64) -> UInt64 { (arrival &- departure) & Self.departureMask }

  private static let departureMask: UInt64 = (1 << 48) - 1
}
