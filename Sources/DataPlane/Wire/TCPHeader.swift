/// The control bits that matter here (RFC 9293 §3.1).
package struct TCPFlags: OptionSet, Hashable, Sendable, BitwiseCopyable {
  package let rawValue: UInt8
  static let fin = TCPFlags(rawValue: 0x01)
  package static let syn = TCPFlags(rawValue: 0x02)
  package static let rst = TCPFlags(rawValue: 0x04)
  static let psh = TCPFlags(rawValue: 0x08)
  package static let ack = TCPFlags(rawValue: 0x10)
  static let urg = TCPFlags(rawValue: 0x20)

  package init(rawValue: UInt8) { self.rawValue = rawValue }
}

/// A TCP header (RFC 9293 §3.1).
enum TCPHeader {
  /// Bytes of a header without options.
  static let length = 20
  /// Bytes of a SYN's header: NOP and window scale (RFC 7323 §2.2) follow.
  static let synLength = 24
  /// Where the checksum lies, for `csum_offset` of the vnet header.
  static let checksumOffset = 16
  static let windowScale: UInt8 = 14

  /// A header at the front of borrowed bytes; the length is checked once, here.
  struct View: ~Escapable {
    let bytes: RawSpan
    /// With options: 20...60 bytes.
    let headerLength: Int

    /// Nil when the bytes are too few for the header that the data offset states.
    @_lifetime(copy bytes)
    init?(_ bytes: RawSpan) {
      guard bytes.byteCount >= TCPHeader.length else { return nil }
      let headerLength = Int(bytes.field8(12) &>> 4) &* 4
      guard headerLength >= TCPHeader.length, headerLength <= bytes.byteCount else { return nil }
      self.bytes = bytes
      self.headerLength = headerLength
    }

    var sourcePort: UInt16 { bytes.field16(0) }
    var destinationPort: UInt16 { bytes.field16(2) }
    var sequence: SequenceNumber { SequenceNumber(bytes.field32(4)) }
    var acknowledgement: SequenceNumber { SequenceNumber(bytes.field32(8)) }
    var flags: TCPFlags { TCPFlags(rawValue: bytes.field8(13)) }
    var window: UInt16 { bytes.field16(14) }
    var checksum: UInt16 { bytes.field16(16) }

    var options: TCPOptions {
      @_lifetime(copy self) get {
        TCPOptions(bytes.extracting(TCPHeader.length..<headerLength))
      }
    }
  }

  /// Writes a header with stock's constant window; a SYN gets NOP + window scale 14 behind it.
  ///
  /// `checksum` is stored as it is: the folded pseudo-header sum when the kernel finishes it, or 0 until
  /// the whole is known. Room: 20 bytes, 24 with SYN.
  @inline(__always)
  static func write(
    into room: inout MutableRawSpan, at offset: Int, sourcePort: UInt16, destinationPort: UInt16,
    sequence: SequenceNumber, acknowledgement: SequenceNumber, flags: TCPFlags, checksum: UInt16
  ) {
    let isSYN = flags.contains(.syn)
    let words: UInt8 = isSYN ? 6 : 5
    room.put16(sourcePort, at: offset)
    room.put16(destinationPort, at: offset &+ 2)
    room.put32(sequence.value, at: offset &+ 4)
    room.put32(acknowledgement.value, at: offset &+ 8)
    room.put8(words &<< 4, at: offset &+ 12)
    room.put8(flags.rawValue, at: offset &+ 13)
    room.put16(0xffff, at: offset &+ 14)
    room.putRaw(checksum, at: offset &+ 16)
    room.put16(0, at: offset &+ 18)
    if isSYN { room.put32(0x0103_0300 | UInt32(windowScale), at: offset &+ 20) }
  }

  @inline(__always)
  static func length(for flags: TCPFlags) -> Int { flags.contains(.syn) ? synLength : length }
}
