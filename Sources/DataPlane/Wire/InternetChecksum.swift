/// The internet checksum: a one's complement sum of 16-bit words (RFC 1071).
///
/// The sum is kept in memory order: by RFC 1071 §2(B) the byte order of words does not matter, so
/// nothing is swapped, and the folded result is stored as it is.
struct InternetChecksum: Equatable, Sendable, BitwiseCopyable {
  private var sum: UInt64 = 0

  init() {}

  /// Adds a 16-bit word given in memory order.
  @inline(__always)
  mutating func add(_ word: UInt16) { sum &+= UInt64(word) }

  /// Adds a 16-bit number given in host order.
  @inline(__always)
  mutating func add(hostOrder number: UInt16) { add(number.bigEndian) }

  /// Adds an address: 16 bytes, or the 4 of an IPv4 one (a mapped prefix would add `ffff`).
  @inline(__always)
  mutating func add(_ address: Address) {
    if address.isIPv4 {
      sum &+= UInt64(address.ipv4)
    } else {
      addWord(address.high)
      addWord(address.low)
    }
  }

  /// Adds bytes that start at an even offset of the message; an odd last byte counts as `xx 00`.
  ///
  /// 32-bit halves go into a 64-bit sum, which 65 535 bytes cannot overflow: no carry inside the loop.
  mutating func add(_ bytes: RawSpan) {
    let count = bytes.byteCount
    var offset = 0
    var even: UInt64 = 0
    var odd: UInt64 = 0
    // Safety: each load ends at or before `count`, which the loop conditions say.
    while offset &+ 16 <= count {
      let a = unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self)
      let b = unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset &+ 8, as: UInt64.self)
      even &+= (a & 0xffff_ffff) &+ (b & 0xffff_ffff)
      odd &+= (a &>> 32) &+ (b &>> 32)
      offset &+= 16
    }
    while offset &+ 2 <= count {
      even &+= UInt64(unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt16.self))
      offset &+= 2
    }
    if offset < count {
      let last = unsafe bytes.unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self)
      even &+= UInt64(UInt16(littleEndian: UInt16(last)))
    }
    addWord(even)
    addWord(odd)
  }

  @inline(__always)
  private mutating func addWord(_ word: UInt64) {
    sum &+= (word & 0xffff_ffff) &+ (word &>> 32)
  }

  /// The sum in 16 bits, not inverted: what `VIRTIO_NET_HDR_F_NEEDS_CSUM` wants in the checksum field.
  var folded: UInt16 {
    var s = (sum & 0xffff_ffff) &+ (sum &>> 32)
    s = (s & 0xffff) &+ (s &>> 16)
    s = (s & 0xffff) &+ (s &>> 16)
    s = (s & 0xffff) &+ (s &>> 16)
    return UInt16(truncatingIfNeeded: s)
  }

  /// The checksum field in memory order: the one's complement of the sum.
  var field: UInt16 { ~folded }

  /// Whether a message that includes its checksum field is whole: the sum is all ones.
  var isValid: Bool { folded == 0xffff }
}
