package import Glibc

/// An IP address and a UDP port, in the form that socket calls take.
///
/// Written `192.0.2.1:5000` or `[2001:db8::1]:5000`. Names are not resolved: a measurement should not
/// depend on a resolver.
package struct SocketAddress: Sendable {
  // Large enough for either family; an IPv4 address occupies its first 16 bytes (sockaddr_in).
  private var storage = sockaddr_in6()

  /// Parses `ADDR:PORT` with an IPv4 address or a bracketed IPv6 address; nil for anything else.
  package init?(_ text: String) {
    guard let colon = text.lastIndex(of: ":") else { return nil }
    let portText = text[text.index(after: colon)...]
    guard !portText.isEmpty, portText.allSatisfy({ $0.isASCII && $0.isNumber }), let port = UInt16(portText)
    else { return nil }
    let host = text[..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") {
      let address = String(host.dropFirst().dropLast())
      guard unsafe inet_pton(AF_INET6, address, &storage.sin6_addr) == 1 else { return nil }
      storage.sin6_family = sa_family_t(AF_INET6)
      storage.sin6_port = port.bigEndian
      return
    }
    var four = sockaddr_in()
    guard unsafe inet_pton(AF_INET, String(host), &four.sin_addr) == 1 else { return nil }
    four.sin_family = sa_family_t(AF_INET)
    four.sin_port = port.bigEndian
    unsafe withUnsafeMutableBytes(of: &storage) { target in
      unsafe target.storeBytes(of: four, as: sockaddr_in.self)
    }
  }

  /// `AF_INET` or `AF_INET6`.
  package var family: Int32 { Int32(storage.sin6_family) }

  /// Host order. Both families keep it at the same place.
  package var port: UInt16 { UInt16(bigEndian: storage.sin6_port) }

  /// The address in host order; nil for IPv6. It lies where `sin6_flowinfo` does.
  package var ipv4: UInt32? { family == AF_INET ? UInt32(bigEndian: storage.sin6_flowinfo) : nil }

  /// Calls `body` with the address as bind(2) and connect(2) take it.
  package func withSocketAddress<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
    let length = family == AF_INET ? MemoryLayout<sockaddr_in>.size : MemoryLayout<sockaddr_in6>.size
    return unsafe withUnsafePointer(to: storage) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        unsafe body(address, socklen_t(length))
      }
    }
  }
}

extension SocketAddress: CustomStringConvertible {
  package var description: String {
    var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    var copy = storage
    if family == AF_INET {
      // sin_addr lies where sin6_flowinfo does.
      unsafe inet_ntop(AF_INET, &copy.sin6_flowinfo, &text, socklen_t(text.count))
    } else {
      unsafe inet_ntop(AF_INET6, &copy.sin6_addr, &text, socklen_t(text.count))
    }
    let address = String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    return family == AF_INET ? "\(address):\(port)" : "[\(address)]:\(port)"
  }
}
