/// The options of a TCP header, read one by one (RFC 9293 §3.1, RFC 7323 §2).
struct TCPOptions: ~Escapable {
  enum Option: Equatable {
    case maximumSegmentSize(UInt16)
    case windowScale(UInt8)
    case other(kind: UInt8)
  }

  private let bytes: RawSpan
  private var offset = 0

  @_lifetime(copy bytes)
  init(_ bytes: RawSpan) { self.bytes = bytes }

  /// The next option; nil at the end, at end-of-list, or where a length makes no sense.
  @_lifetime(self: copy self)
  mutating func next() -> Option? {
    while offset < bytes.byteCount {
      let kind = bytes.field8(offset)
      if kind == 0 { break }
      if kind == 1 {
        offset &+= 1
        continue
      }
      guard offset &+ 2 <= bytes.byteCount else { break }
      let length = Int(bytes.field8(offset &+ 1))
      guard length >= 2, offset &+ length <= bytes.byteCount else { break }
      let start = offset
      offset &+= length
      switch (kind, length) {
      case (2, 4): return .maximumSegmentSize(bytes.field16(start &+ 2))
      case (3, 3): return .windowScale(bytes.field8(start &+ 2))
      default: return .other(kind: kind)
      }
    }
    offset = bytes.byteCount
    return nil
  }
}
