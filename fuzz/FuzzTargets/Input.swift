/// A fuzzer's bytes as a supply of decisions; zeros once they are used up.
struct Input {
  private let bytes: [UInt8]
  private var position = 0

  init(_ bytes: UnsafeRawBufferPointer) { unsafe self.bytes = Array(bytes) }

  var isEmpty: Bool { position >= bytes.count }

  mutating func byte() -> UInt8 {
    guard position < bytes.count else { return 0 }
    defer { position += 1 }
    return bytes[position]
  }

  mutating func word16() -> UInt16 { UInt16(byte()) << 8 | UInt16(byte()) }
  mutating func word32() -> UInt32 { UInt32(word16()) << 16 | UInt32(word16()) }

  /// From 0 to `limit` - 1, which fits 16 bits.
  mutating func number(below limit: Int) -> Int {
    Int(limit <= 256 ? UInt16(byte()) : word16()) % limit
  }

  /// Any size, small ones as likely as large ones: a mantissa of 8 bits and a shift.
  mutating func magnitude(bits: Int) -> UInt64 {
    let shift = number(below: bits - 7)
    return UInt64(byte()) << UInt64(shift)
  }

  mutating func chance() -> Bool { byte() & 1 == 1 }

  /// At most `count` bytes.
  mutating func take(_ count: Int) -> ArraySlice<UInt8> {
    let end = min(position + count, bytes.count)
    defer { position = max(position, end) }
    return bytes[min(position, end)..<end]
  }

  mutating func rest() -> ArraySlice<UInt8> { take(bytes.count) }
}
