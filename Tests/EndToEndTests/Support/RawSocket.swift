import Glibc

/// Sends IPv4 packets of any shape, also from addresses that are not ours (raw(7), IP_HDRINCL).
final class RawSocket: Sendable {
  private let descriptor: Int32
  private static let ipprotoRaw: Int32 = 255

  init(in namespace: Namespace) throws {
    descriptor = try namespace.inside {
      let kind = Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
      return try SystemError.check("socket(IPPROTO_RAW)", socket(AF_INET, kind, Self.ipprotoRaw))
    }
  }

  deinit { close(descriptor) }

  func send(_ packet: [UInt8], to host: String) throws {
    try send(packet, to: try SocketName("\(host):0"))
  }

  func send(_ packet: [UInt8], to name: SocketName) throws {
    let sent = unsafe name.pointer { unsafe Int32(sendto(descriptor, packet, packet.count, 0, $0, $1)) }
    try SystemError.check("send a raw packet to \(name)", sent)
  }
}

/// Sees every IPv4 packet that passes through a namespace (packet(7)).
final class Tap: Sendable {
  private let descriptor: Int32

  init(in namespace: Namespace) throws {
    descriptor = try namespace.inside {
      let kind = Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
      let ipv4 = Int32(UInt16(0x0800).bigEndian)
      return try SystemError.check("socket(AF_PACKET)", socket(AF_PACKET, kind, ipv4))
    }
  }

  deinit { close(descriptor) }

  /// The newest TCP segment among those that passed and satisfy `condition`, if any.
  func latest(where condition: (Segment) -> Bool) -> Segment? {
    var found: Segment?
    var bytes = [UInt8](repeating: 0, count: 65_536)
    while true {
      let size = unsafe recv(descriptor, &bytes, bytes.count, 0)
      guard size >= 0 else { return found }
      if let segment = Segment(packet: bytes[..<size]), condition(segment) { found = segment }
    }
  }
}
