internal import Glibc

/// An IPv4 or IPv6 address in 16 bytes, IPv4 as `::ffff:a.b.c.d` (RFC 4291 §2.5.5.2).
///
/// The two words hold the address's bytes in memory order, so that they are copied to and from a
/// packet without a swap.
package struct Address: Hashable, Sendable, BitwiseCopyable {
  var high: UInt64
  var low: UInt64

  init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// `::`, which no packet comes from.
  package static let unspecified = Address(high: 0, low: 0)

  /// The IPv4 address whose four bytes, in memory order, are `bytes`.
  init(ipv4 bytes: UInt32) {
    self.init(high: 0, low: UInt64(Self.mappedPrefix) | UInt64(bytes) << 32)
  }

  /// Parses `192.0.2.1`, `2001:db8::1`; nil for anything else (inet_pton(3)).
  package init?(_ text: String) {
    var four = in_addr()
    if unsafe inet_pton(AF_INET, text, &four) == 1 {
      self.init(ipv4: four.s_addr)
      return
    }
    var six = in6_addr()
    guard unsafe inet_pton(AF_INET6, text, &six) == 1 else { return nil }
    self = unsafe withUnsafeBytes(of: &six) { unsafe $0.loadUnaligned(as: Address.self) }
  }

  /// The words of 0.0.0.0: those of any IPv4 address but for the upper half of `low`, its four bytes.
  package static var ipv4Prefix: (high: UInt64, low: UInt64) { (0, UInt64(mappedPrefix)) }

  package var isIPv4: Bool { high == 0 && UInt32(truncatingIfNeeded: low) == Self.mappedPrefix }

  /// The four bytes of an IPv4 address in memory order.
  var ipv4: UInt32 { UInt32(truncatingIfNeeded: low >> 32) }

  package var isUnspecified: Bool { (high == 0 && low == 0) || (isIPv4 && ipv4 == 0) }

  /// Bytes 8..<12 of a mapped address, `00 00 ff ff`, as a word in memory order. No stored constant: that would be made, and
  /// looked after, when the program runs.
  @inline(__always)
  private static var mappedPrefix: UInt32 { UInt32(bigEndian: 0x0000_ffff) }
}

extension Address: CustomStringConvertible {
  package var description: String {
    var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    if isIPv4 {
      var four = in_addr(s_addr: ipv4)
      unsafe inet_ntop(AF_INET, &four, &text, socklen_t(text.count))
    } else {
      var six = self
      unsafe inet_ntop(AF_INET6, &six, &text, socklen_t(text.count))
    }
    return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
}

/// An address and a port (host order).
package struct Endpoint: Hashable, Sendable, BitwiseCopyable {
  package var address: Address
  package var port: UInt16

  package init(_ address: Address, port: UInt16) {
    self.address = address
    self.port = port
  }
}

extension Endpoint: CustomStringConvertible {
  package var description: String { address.isIPv4 ? "\(address):\(port)" : "[\(address)]:\(port)" }
}
