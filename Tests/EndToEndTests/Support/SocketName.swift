import Glibc

/// An IP address and port as the socket calls want it; written `10.0.0.1:53` or `[fd00::1]:53`.
struct SocketName: Sendable, Equatable, CustomStringConvertible {
  private(set) var bytes: [UInt8]

  init(_ text: String) throws {
    guard let colon = text.lastIndex(of: ":") else { throw SystemError("parse \(text)", errno: EINVAL) }
    let host = text[..<colon].drop { $0 == "[" }.prefix { $0 != "]" }
    let port = text[text.index(after: colon)...]
    var hints = unsafe addrinfo()
    unsafe hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV
    unsafe hints.ai_socktype = Int32(SOCK_DGRAM.rawValue)
    var found: UnsafeMutablePointer<addrinfo>?
    guard unsafe getaddrinfo(String(host), String(port), &hints, &found) == 0, let first = unsafe found else {
      throw SystemError("parse \(text)", errno: EINVAL)
    }
    unsafe bytes = Array(
      UnsafeRawBufferPointer(start: first.pointee.ai_addr, count: Int(first.pointee.ai_addrlen)))
    unsafe freeaddrinfo(found)
  }

  /// An empty name that a call fills in.
  static func unset() -> Self { Self(bytes: [UInt8](repeating: 0, count: 128)) }

  private init(bytes: [UInt8]) { self.bytes = bytes }

  var family: Int32 { Int32(bytes[0]) | Int32(bytes[1]) << 8 }

  /// The address without the port.
  var host: String {
    var text = [CChar](repeating: 0, count: 64)
    _ = unsafe pointer { unsafe getnameinfo($0, $1, &text, 64, nil, 0, NI_NUMERICHOST) }
    return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  var port: UInt16 { UInt16(bytes[2]) << 8 | UInt16(bytes[3]) }

  var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

  /// Calls `body` with what the socket calls take.
  func pointer(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
    unsafe bytes.withUnsafeBytes {
      unsafe body($0.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
    }
  }

  /// Calls `body` with what the socket calls fill in.
  mutating func fill(_ body: (UnsafeMutablePointer<sockaddr>, inout socklen_t) -> Int) -> Int {
    var length = socklen_t(bytes.count)
    let result = unsafe bytes.withUnsafeMutableBytes {
      unsafe body($0.baseAddress!.assumingMemoryBound(to: sockaddr.self), &length)
    }
    bytes.removeLast(bytes.count - min(Int(length), bytes.count))
    return result
  }
}
