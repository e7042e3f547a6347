/// A TCP sequence number: 32 bits that wrap (RFC 9293 §3.4).
package struct SequenceNumber: Equatable, Sendable, BitwiseCopyable {
  var value: UInt32

  package init(_ value: UInt32) { self.value = value }

  /// The number `count` bytes further on.
  @inline(__always)
  static func + (a: Self, count: Int) -> Self { Self(a.value &+ UInt32(truncatingIfNeeded: count)) }

  @inline(__always)
  static func += (a: inout Self, count: Int) { a = a + count }

  /// How far `a` lies behind `b`, from -2^31 to 2^31 - 1: positive when `a` is the later one.
  @inline(__always)
  static func - (a: Self, b: Self) -> Int { Int(Int32(bitPattern: a.value &- b.value)) }

  /// Whether `a` comes before `b` on the half circle that starts at `a` (RFC 1982 §3.2).
  @inline(__always)
  static func < (a: Self, b: Self) -> Bool { a - b < 0 }

  @inline(__always)
  static func <= (a: Self, b: Self) -> Bool { a - b <= 0 }
}
