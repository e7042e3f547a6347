package import DataPlane

/// Which version of the Internet Protocol an address belongs to.
package enum AddressFamily: String, Sendable, CaseIterable, CustomStringConvertible {
  case ipv4 = "IPv4"
  case ipv6 = "IPv6"

  package var description: String { rawValue }

  /// Bytes of the IP and TCP headers in front of each datagram.
  package var headerBytes: Int {
    switch self {
    case .ipv4: 20 + 20
    case .ipv6: 40 + 20
    }
  }
}

extension Address {
  package var family: AddressFamily { isIPv4 ? .ipv4 : .ipv6 }

  /// 127.0.0.0/8 or ::1: packets with it never leave the host, nor enter it through a device.
  var isLoopback: Bool { isIPv4 ? bytes[0] == 127 : self == Self.loopbackIPv6 }

  /// 169.254.0.0/16 (RFC 3927) or fe80::/10 (RFC 4291 §2.5.6): of no use beyond its link.
  var isLinkLocal: Bool {
    isIPv4 ? bytes[0] == 169 && bytes[1] == 254 : bytes[0] == 0xfe && bytes[1] & 0xc0 == 0x80
  }

  /// 224.0.0.0/4 and 255.255.255.255, or ff00::/8: no TCP peer has it.
  package var isMulticast: Bool { isIPv4 ? bytes[0] >= 224 : bytes[0] == 0xff }

  private static let loopbackIPv6 = Address("::1")!
}
