/// An IPv6 header (RFC 8200 §3).
enum IPv6Header {
  static let length = 40
  static let protocolTCP: UInt8 = 6
  static let protocolICMPv6: UInt8 = 58

  /// A header at the front of borrowed bytes; the length is checked once, here.
  struct View: ~Escapable {
    private let bytes: RawSpan
    /// Header and payload, at most the bytes there are unless the header is quoted.
    let totalLength: Int

    /// Nil when the bytes are too few for the header or for the length that it states.
    @_lifetime(copy bytes)
    init?(_ bytes: RawSpan) {
      self.init(quoted: bytes)
      guard totalLength <= bytes.byteCount else { return nil }
    }

    /// A header that an ICMP error quotes: of its packet there may be less than it states.
    @_lifetime(copy bytes)
    init?(quoted bytes: RawSpan) {
      guard bytes.byteCount >= IPv6Header.length else { return nil }
      self.bytes = bytes
      totalLength = IPv6Header.length &+ Int(bytes.field16(4))
    }

    /// What follows: TCP, or an extension header, which flows of ours never carry.
    var nextHeader: UInt8 { bytes.field8(6) }
    var hopLimit: UInt8 { bytes.field8(7) }
    var source: Address { bytes.raw(8, as: Address.self) }
    var destination: Address { bytes.raw(24, as: Address.self) }
  }

  /// Writes a header as stock does: hop limit 64, no flow label. Room: at least 40 bytes.
  @inline(__always)
  static func write(
    into room: inout MutableRawSpan, at offset: Int, source: Address, destination: Address, payloadLength: Int
  ) {
    room.put32(0x6000_0000, at: offset)
    room.put32(UInt32(truncatingIfNeeded: payloadLength) &<< 16 | 0x0640, at: offset &+ 4)
    room.putRaw(source, at: offset &+ 8)
    room.putRaw(destination, at: offset &+ 24)
  }
}
