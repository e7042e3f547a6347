import Testing

@testable import DataPlane

private let four = Packet(
  from: Endpoint(Address("192.0.2.1")!, port: 1_000), to: Endpoint(Address("198.51.100.2")!, port: 2_000),
  .ack,
  payload: Array(0..<30))
private let six = Packet(
  from: Endpoint(Address("2001:db8::1")!, port: 1_000), to: Endpoint(Address("2001:db8::2")!, port: 2_000),
  .ack,
  payload: Array(0..<30))

/// What is not a whole TCP segment, and the reason that is counted for it.
@Suite struct SegmentRefusalTests {
  @Test(arguments: [four, six])
  func `a packet cut at any length is short`(packet: Packet) {
    let whole = packet.bytes
    for length in 0..<whole.count {
      #expect(Segment.read(Array(whole[..<length]), .verified).reason == .shortPacket, "\(length) bytes")
    }
  }

  @Test(arguments: [four, six])
  func `a packet that says it is shorter is short or has a bad header length or checksum`(packet: Packet) {
    var withOptions = packet
    withOptions.options = [2, 4, 5, 0xb4, 1, 1, 1, 1]
    let whole = withOptions.bytes
    let ip = packet.ipHeaderLength
    for length in 0..<whole.count {
      var bytes = whole
      bytes.setStatedLength(length)
      let wanted: DropReason? =
        switch length {
        case ..<(ip + 20): .shortPacket
        case ..<(ip + 28): .badHeaderLength
        default: .badChecksum
        }
      // An IPv6 header states what follows it: less than nothing cannot be said.
      guard packet.isIPv4 || length >= ip else { continue }
      #expect(Segment.read(bytes).reason == wanted, "\(length) bytes")
    }
  }

  @Test(arguments: 0..<16 as Range<UInt8>)
  func `versions other than 4 and 6 are unsupported`(version: UInt8) {
    var bytes = four.bytes
    bytes[0] = version << 4 | 5
    let reason = Segment.read(bytes, .verified).reason
    switch version {
    case 4: #expect(reason == nil)
    // Read as IPv6, IPv4's addresses do not say TCP.
    case 6: #expect(reason != nil)
    default: #expect(reason == .unsupportedPacket)
    }
  }

  @Test(arguments: 0..<5 as Range<UInt8>)
  func `an IPv4 header of less than twenty bytes is refused`(words: UInt8) {
    var bytes = four.bytes
    bytes[0] = 0x40 | words
    #expect(Segment.read(bytes, .verified).reason == .shortPacket)
  }

  @Test(arguments: 0..<5 as Range<UInt8>)
  func `a TCP header of less than twenty bytes is refused`(words: UInt8) {
    for packet in [four, six] {
      var bytes = packet.bytes
      bytes[packet.ipHeaderLength + 12] = words << 4
      #expect(Segment.read(bytes, .verified).reason == .badHeaderLength)
    }
  }

  @Test(arguments: [13, 14, 15] as [UInt8])
  func `a TCP header longer than its packet is refused`(words: UInt8) {
    for packet in [four, six] {
      var bytes = packet.bytes
      bytes[packet.ipHeaderLength + 12] = words << 4
      #expect(Segment.read(bytes, .verified).reason == .badHeaderLength)
      // Trailing bytes do not make it fit.
      #expect(Segment.read(bytes + [UInt8](repeating: 0, count: 100), .verified).reason == .badHeaderLength)
    }
  }

  @Test(arguments: [0x2000, 0x6000, 0x0001, 0x2001, 0x1fff, 0x4100] as [UInt16])
  func `fragments are not put together`(field: UInt16) {
    var packet = four
    packet.fragmentField = field
    #expect(Segment.read(packet.bytes).reason == .fragment)
  }

  @Test(arguments: [0, 1, 2, 17, 41, 47, 58, 132, 255] as [UInt8])
  func `other protocols over IPv4 are unsupported`(number: UInt8) {
    var packet = four
    packet.transportProtocol = number
    #expect(Segment.read(packet.bytes, .verified).reason == .unsupportedPacket)
  }

  /// Hop-by-hop, routing, fragment, ESP, AH, no next header, destination options, mobility, HIP, shim6; UDP, ICMPv6.
  @Test(arguments: [0, 43, 44, 50, 51, 59, 60, 135, 139, 140, 17, 58] as [UInt8])
  func `extension headers and other protocols over IPv6 are unsupported`(number: UInt8) {
    var packet = six
    packet.transportProtocol = number
    #expect(Segment.read(packet.bytes, .verified).reason == .unsupportedPacket)
  }

  /// Fuzzing found that it was read as a flow of IPv4, and answered by packets of that.
  @Test func `an IPv4 address in an IPv6 header is foreign`() {
    let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1]
    for place in [8, 24] {
      var bytes = six.bytes
      bytes.replaceSubrange(place..<(place + 16), with: mapped)
      #expect(Segment.read(bytes, .verified).reason == .foreignAddress)
    }
    // In an error, the one who is told, and the one whom the quoted packet was for.
    let quoted = Array(six.bytes)
    for (isQuoted, place) in [(false, 24), (true, 40 + 8 + 24)] {
      var bytes = ICMPError.tooBig(quoted, mtu: 1_280).bytes
      bytes.replaceSubrange(place..<(place + 16), with: mapped)
      guard case .failure(let reason) = PacketTooBig.read(bytes, .verified) else {
        Issue.record("believed, \(isQuoted ? "quoted" : "told")")
        continue
      }
      #expect(reason == .icmpNotCredible)
    }
  }

  @Test(arguments: Seeds.all)
  func `any bytes either parse within themselves or have a reason`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    for _ in 0..<4_000 {
      var bytes = random.bytes(Int.random(in: 0...120, using: &random))
      // Half of them look like IP at least.
      if !bytes.isEmpty, random.oneIn(2) {
        bytes[0] = random.oneIn(2) ? 0x45 : 0x60
        if bytes.count > 9 { (bytes[6], bytes[9]) = (bytes[0] == 0x60 ? 6 : 0x40, 6) }
        bytes.setStatedLength(Int.random(in: 0...bytes.count, using: &random))
      }
      guard case .success(let segment) = Segment.read(bytes, .verified) else { continue }
      guard segment.payloadOffset >= 40, segment.payloadLength >= 0,
        segment.payloadOffset + segment.payloadLength <= bytes.count
      else {
        Issue.record("\(segment) of \(bytes)")
        return
      }
    }
  }
}

extension [UInt8] {
  /// Changes what the IP header says of the packet's length, and nothing else.
  fileprivate mutating func setStatedLength(_ length: Int) {
    let isIPv4 = first.map { $0 >> 4 == 4 } ?? true
    let field = UInt16(truncatingIfNeeded: isIPv4 ? length : Swift.max(length - 40, 0))
    let offset = isIPv4 ? 2 : 4
    guard count >= offset + 2 else { return }
    (self[offset], self[offset + 1]) = (UInt8(field >> 8), UInt8(field & 0xff))
  }
}
