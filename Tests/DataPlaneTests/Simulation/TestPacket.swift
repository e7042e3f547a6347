import Testing

@testable import DataPlane

/// A packet as it is written to and read from TUN, taken apart naively: an independent check of what guise writes.
struct TestPacket {
  var vnet: VirtioNetHeader
  var isIPv4: Bool
  var source: [UInt8]
  var destination: [UInt8]
  var ports: (UInt16, UInt16)
  var sequence: UInt32
  var acknowledgement: UInt32
  var flags: TCPFlags
  var options: [UInt8]
  var payload: [UInt8]
  /// Payload bytes of each segment; 0 for one segment.
  var segmentSize: Int

  init(_ bytes: [UInt8]) {
    vnet = unsafe bytes.withUnsafeBytes { unsafe $0.loadUnaligned(as: VirtioNetHeader.self) }
    let ip = Array(bytes.dropFirst(12))
    isIPv4 = ip[0] >> 4 == 4
    let ipLength = isIPv4 ? 20 : 40
    let total = isIPv4 ? Self.word(ip, 2) : Self.word(ip, 4) + 40
    precondition(total == ip.count, "the IP length field says \(total), the packet has \(ip.count)")
    source = Array(isIPv4 ? ip[12..<16] : ip[8..<24])
    destination = Array(isIPv4 ? ip[16..<20] : ip[24..<40])
    let tcp = Array(ip.dropFirst(ipLength))
    ports = (UInt16(Self.word(tcp, 0)), UInt16(Self.word(tcp, 2)))
    sequence = UInt32(Self.word(tcp, 4)) << 16 | UInt32(Self.word(tcp, 6))
    acknowledgement = UInt32(Self.word(tcp, 8)) << 16 | UInt32(Self.word(tcp, 10))
    let headerLength = Int(tcp[12] >> 4) * 4
    flags = TCPFlags(rawValue: tcp[13])
    options = Array(tcp[20..<headerLength])
    payload = Array(tcp.dropFirst(headerLength))
    segmentSize = vnet.gsoType == 0 ? 0 : Int(vnet.gsoSize)
    // What the kernel demands of a packet whose checksum it is to finish.
    precondition(vnet.flags == 1 && Int(vnet.checksumStart) == ipLength && vnet.checksumOffset == 16)
    precondition(Self.word(tcp, 16) == Self.pseudoSum(source, destination, tcp.count))
    if segmentSize > 0 {
      precondition(payload.count > segmentSize, "a train of one segment")
      precondition(Int(vnet.headerLength) == ipLength + headerLength)
      precondition(vnet.gsoType == (isIPv4 ? 1 : 4))
    }
  }

  /// The packet with its vnet header, checksum left to the kernel.
  var bytes: [UInt8] {
    let headerLength = 20 + options.count
    var tcp: [UInt8] = []
    tcp += Self.bytes(Int(ports.0), 2) + Self.bytes(Int(ports.1), 2)
    tcp += Self.bytes(Int(sequence), 4) + Self.bytes(Int(acknowledgement), 4)
    tcp += [UInt8(headerLength / 4) << 4, flags.rawValue, 0xff, 0xff]
    tcp += Self.bytes(Self.pseudoSum(source, destination, headerLength + payload.count), 2) + [0, 0]
    tcp += options + payload
    var ip: [UInt8]
    if isIPv4 {
      ip = [0x45, 0] + Self.bytes(20 + tcp.count, 2) + [0, 0, 0x40, 0, 64, 6, 0, 0] + source + destination
    } else {
      ip = [0x60, 0, 0, 0] + Self.bytes(tcp.count, 2) + [6, 64] + source + destination
    }
    var vnet = VirtioNetHeader(
      isIPv4: isIPv4, ipLength: ip.count, tcpLength: headerLength, segmentSize: segmentSize)
    // Forwarded packets come with a header length that means nothing.
    vnet.headerLength = 0
    let front = unsafe withUnsafeBytes(of: vnet) { unsafe Array($0) }
    return front + ip + tcp
  }

  /// The segments of a super-packet, as TSO cuts them.
  func split() -> [TestPacket] {
    guard segmentSize > 0 else { return [self] }
    return stride(from: 0, to: payload.count, by: segmentSize).map { start in
      var part = self
      part.payload = Array(payload[start..<min(start + segmentSize, payload.count)])
      part.sequence = sequence &+ UInt32(start)
      part.segmentSize = 0
      return part
    }
  }

  /// What GRO makes of segments in a row: same ack, contiguous, equal length but for the last.
  static func merge(_ packets: [TestPacket]) -> [TestPacket] {
    var merged: [TestPacket] = []
    for packet in packets {
      guard var last = merged.last, last.accepts(packet) else {
        merged.append(packet)
        continue
      }
      if last.segmentSize == 0 { last.segmentSize = last.payload.count }
      last.payload += packet.payload
      merged[merged.count - 1] = last
    }
    return merged
  }

  private func accepts(_ next: TestPacket) -> Bool {
    let size = segmentSize > 0 ? segmentSize : payload.count
    return flags == .ack && next.flags == .ack && !payload.isEmpty && !next.payload.isEmpty
      && next.segmentSize == 0 && source == next.source && destination == next.destination
      && ports == next.ports && acknowledgement == next.acknowledgement
      && payload.count % size == 0 && next.payload.count <= size
      && sequence &+ UInt32(payload.count) == next.sequence && payload.count + next.payload.count < 65_000
  }

  static func pseudoSum(_ source: [UInt8], _ destination: [UInt8], _ length: Int) -> Int {
    let bytes = source + destination + [0, 6] + bytes(length, 2)
    var sum = stride(from: 0, to: bytes.count, by: 2).reduce(0) { $0 + word(bytes, $1) }
    while sum > 0xffff { sum = (sum & 0xffff) + (sum >> 16) }
    return sum
  }

  private static func word(_ bytes: [UInt8], _ offset: Int) -> Int {
    Int(bytes[offset]) << 8 | Int(bytes[offset + 1])
  }

  private static func bytes(_ value: Int, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * (count - 1 - $0))) }
  }
}
