/// An IPv4 header (RFC 791 §3.1).
enum IPv4Header {
  /// Bytes of a header without options, the only kind that is written.
  static let length = 20
  static let protocolTCP: UInt8 = 6
  static let protocolICMP: UInt8 = 1

  /// A header at the front of borrowed bytes; the length is checked once, here.
  struct View: ~Escapable {
    private let bytes: RawSpan
    let headerLength: Int
    /// Header and payload, at most the bytes there are unless the header is quoted.
    let totalLength: Int

    /// Nil when the bytes are too few for the header or for the length that it states.
    @_lifetime(copy bytes)
    init?(_ bytes: RawSpan) {
      self.init(quoted: bytes)
      guard totalLength >= headerLength, totalLength <= bytes.byteCount else { return nil }
    }

    /// A header that an ICMP error quotes: of its packet there may be less than it states.
    @_lifetime(copy bytes)
    init?(quoted bytes: RawSpan) {
      guard bytes.byteCount >= IPv4Header.length else { return nil }
      let headerLength = Int(bytes.field8(0) & 0x0f) &* 4
      guard headerLength >= IPv4Header.length, headerLength <= bytes.byteCount else { return nil }
      self.bytes = bytes
      self.headerLength = headerLength
      totalLength = Int(bytes.field16(2))
    }

    var transportProtocol: UInt8 { bytes.field8(9) }
    var source: Address { Address(ipv4: bytes.raw(12, as: UInt32.self)) }
    var destination: Address { Address(ipv4: bytes.raw(16, as: UInt32.self)) }
    /// A first, middle or last fragment: more-fragments flag or an offset.
    var isFragment: Bool { bytes.field16(6) & 0x3fff != 0 }
    var timeToLive: UInt8 { bytes.field8(8) }
    var dontFragment: Bool { bytes.field16(6) & 0x4000 != 0 }
    var identification: UInt16 { bytes.field16(4) }
    var typeOfService: UInt8 { bytes.field8(1) }

    var hasValidChecksum: Bool {
      var sum = InternetChecksum()
      sum.add(bytes.extracting(first: headerLength))
      return sum.isValid
    }
  }

  /// Writes a header as stock does: TTL 64, DF, ID 0, TOS 0. Room: at least 20 bytes.
  @inline(__always)
  static func write(
    into room: inout MutableRawSpan, at offset: Int, source: Address, destination: Address, totalLength: Int
  ) {
    let lengthField = UInt16(truncatingIfNeeded: totalLength)
    var sum = InternetChecksum()
    sum.add(hostOrder: 0x4500)
    sum.add(hostOrder: lengthField)
    sum.add(hostOrder: 0x4000)
    sum.add(hostOrder: 0x4006)
    sum.add(source)
    sum.add(destination)
    room.put32(0x4500_0000 | UInt32(lengthField), at: offset)
    room.put32(0x0000_4000, at: offset &+ 4)
    room.put16(0x4006, at: offset &+ 8)
    room.putRaw(sum.field, at: offset &+ 10)
    room.putRaw(source.ipv4, at: offset &+ 12)
    room.putRaw(destination.ipv4, at: offset &+ 16)
  }
}
