/// A TCP segment over IPv4, as much of it as the tests look at or forge.
struct Segment: Sendable {
  struct Flags: OptionSet, Sendable {
    let rawValue: UInt8
    static let fin = Flags(rawValue: 1)
    static let syn = Flags(rawValue: 2)
    static let rst = Flags(rawValue: 4)
    static let psh = Flags(rawValue: 8)
    static let ack = Flags(rawValue: 16)
    static let urg = Flags(rawValue: 32)
  }

  var source: [UInt8]
  var sourcePort: UInt16
  var destination: [UInt8]
  var destinationPort: UInt16
  var sequence: UInt32
  var acknowledgement: UInt32
  var flags: Flags
  var payload: [UInt8]
  /// The header's length in 32-bit words, as it says itself.
  var dataOffset: UInt8 = 5
  /// Added to the right checksum.
  var checksumError: UInt16 = 0

  /// Reads a packet that begins with its IPv4 header; nil when it is no whole TCP segment.
  init?(packet: ArraySlice<UInt8>) {
    let packet = Array(packet)
    guard packet.count >= 40, packet[0] == 0x45, packet[9] == 6 else { return nil }
    func word(_ at: Int) -> UInt16 { UInt16(packet[at]) << 8 | UInt16(packet[at + 1]) }
    func long(_ at: Int) -> UInt32 { UInt32(word(at)) << 16 | UInt32(word(at + 2)) }
    source = Array(packet[12..<16])
    destination = Array(packet[16..<20])
    sourcePort = word(20)
    destinationPort = word(22)
    sequence = long(24)
    acknowledgement = long(28)
    dataOffset = packet[32] >> 4
    flags = Flags(rawValue: packet[33])
    payload = Array(packet.dropFirst(20 + Int(dataOffset) * 4))
  }

  /// The packet, beginning with its IPv4 header (whose checksum the kernel fills in).
  var packet: [UInt8] {
    func bytes(_ word: UInt16) -> [UInt8] { [UInt8(word >> 8), UInt8(truncatingIfNeeded: word)] }
    func bytes(_ long: UInt32) -> [UInt8] {
      bytes(UInt16(long >> 16)) + bytes(UInt16(truncatingIfNeeded: long))
    }
    let ports = bytes(sourcePort) + bytes(destinationPort)
    let numbers = bytes(sequence) + bytes(acknowledgement)
    let before = ports + numbers + [dataOffset << 4, flags.rawValue, 0xff, 0xff]
    let after: [UInt8] = [0, 0] + payload
    let length = UInt16(before.count + 2 + after.count)
    let pseudoHeader = source + destination + [0, 6] + bytes(length)
    let checksum = Self.checksum(pseudoHeader + before + [0, 0] + after) &+ checksumError
    let header: [UInt8] = [0x45, 0] + bytes(length + 20) + [0, 0, 0x40, 0, 64, 6, 0, 0]
    return header + source + destination + before + bytes(checksum) + after
  }

  /// The Internet checksum (RFC 1071).
  private static func checksum(_ bytes: [UInt8]) -> UInt16 {
    var sum: UInt32 = 0
    for (index, byte) in bytes.enumerated() { sum += index % 2 == 0 ? UInt32(byte) << 8 : UInt32(byte) }
    while sum > 0xffff { sum = (sum & 0xffff) + (sum >> 16) }
    return ~UInt16(sum)
  }

  /// One that would go the other way.
  var reversed: Segment {
    with {
      ($0.source, $0.destination) = (destination, source)
      ($0.sourcePort, $0.destinationPort) = (destinationPort, sourcePort)
      ($0.sequence, $0.acknowledgement) = (acknowledgement, sequence)
    }
  }

  /// A copy with some things changed.
  func with(_ change: (inout Segment) -> Void) -> Segment {
    var copy = self
    change(&copy)
    return copy
  }
}
