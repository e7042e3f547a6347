import Glibc

/// SYNs to one port from so many senders, none of which exists.
struct SynFlood {
  private let socket: RawSocket
  private let host: SocketName
  private var packet: [UInt8]
  /// The checksum as it is without source and port, complemented.
  private let sum: UInt32

  /// Senders are of 198.18.0.0/15, which is for such purposes (RFC 2544 §C.2.2).
  static let senders = "198.18.0.0/15"

  init(from namespace: Namespace, to host: String, port: UInt16) throws {
    socket = try RawSocket(in: namespace)
    self.host = try SocketName("\(host):0")
    let destination = host.split(separator: ".").map { UInt8($0)! }
    var segment = Segment(
      packet: [0x45] + [UInt8](repeating: 0, count: 8) + [6] + [UInt8](repeating: 0, count: 30))!
    (segment.destination, segment.destinationPort, segment.flags) = (destination, port, .syn)
    segment.dataOffset = 5
    segment.payload = []
    packet = segment.packet
    sum = UInt32(~(UInt16(packet[36]) << 8 | UInt16(packet[37])))
  }

  /// Sends `count` of them, evenly over as many seconds.
  mutating func send(_ count: Int, seconds: Int) throws {
    let clock = ContinuousClock()
    let start = clock.now
    let burst = max(count / (seconds * 200), 1)
    for number in 0..<count {
      if number % burst == 0 {
        let due = start + .seconds(seconds) * (Double(number) / Double(count))
        let wait = due - clock.now
        if wait > .zero { usleep(UInt32(wait / .microseconds(1))) }
      }
      try send(number)
    }
  }

  private mutating func send(_ number: Int) throws {
    let (host16, port) = (UInt32(number & 0xffff), UInt32(1_024 + number >> 16))
    (packet[12], packet[13]) = (198, 18)
    (packet[14], packet[15]) = (UInt8(host16 >> 8), UInt8(host16 & 0xff))
    (packet[20], packet[21]) = (UInt8(port >> 8), UInt8(port & 0xff))
    var sum = sum + (198 << 8 | 18) + host16 + port
    while sum > 0xffff { sum = (sum & 0xffff) + (sum >> 16) }
    (packet[36], packet[37]) = (UInt8(~sum >> 8 & 0xff), UInt8(~sum & 0xff))
    try socket.send(packet, to: host)
  }
}
