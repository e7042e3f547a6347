import Testing

@testable import DataPlane

/// A full segment of each family that a link could not take.
private let segments: [Packet] = [
  Packet(
    from: Endpoint(Address("192.0.2.1")!, port: 33_000), to: Endpoint(Address("198.51.100.2")!, port: 4_567),
    .ack, sequence: 0xffff_fff0, payload: [UInt8](repeating: 7, count: 1_400)),
  Packet(
    from: Endpoint(Address("2001:db8::1")!, port: 33_000), to: Endpoint(Address("2001:db8::2")!, port: 4_567),
    .ack, sequence: 0xffff_fff0, payload: [UInt8](repeating: 7, count: 1_400)),
]

@Suite struct PacketTooBigTests {
  @Test(arguments: segments)
  func theQuotedSegmentIsSeenFromItsSendersSide(segment: Packet) throws {
    let error = try PacketTooBig.read(ICMPError.tooBig(segment.bytes, mtu: 1_300).bytes).get()
    #expect(error.key.localEndpoint == segment.source)
    #expect(error.key.remoteEndpoint == segment.destination)
    #expect(error.sequence == SequenceNumber(0xffff_fff0))
    #expect(error.quotedLength == segment.bytes.count)
    #expect(error.mtu == 1_300)
  }

  @Test(arguments: segments)
  func eightBytesOfTheSegmentAreEnough(segment: Packet) throws {
    let least = segment.ipHeaderLength + 8
    let short = ICMPError.tooBig(segment.bytes, mtu: 1_300, quotedLength: least).bytes
    let long = ICMPError.tooBig(segment.bytes, mtu: 1_300).bytes
    var whole = try PacketTooBig.read(long).get()
    #expect(whole.acknowledgement?.value == segment.acknowledgement)
    whole.acknowledgement = nil
    #expect(try PacketTooBig.read(short).get() == whole)
    for length in 0..<least {
      let error = ICMPError.tooBig(segment.bytes, mtu: 1_300, quotedLength: length)
      #expect(PacketTooBig.read(error.bytes).reason == .shortPacket, "\(length) bytes quoted")
    }
  }

  @Test(arguments: segments)
  func aPacketCutAtAnyLengthIsShort(segment: Packet) {
    let whole = ICMPError.tooBig(segment.bytes, mtu: 1_300, quotedLength: 80).bytes
    for length in 0..<whole.count {
      #expect(PacketTooBig.read(Array(whole[..<length])).reason == .shortPacket, "\(length) bytes")
      #expect(PacketTooBig.read(Array(whole[..<length]), .verified).reason == .shortPacket)
    }
  }

  @Test(arguments: segments)
  func everyFlippedBitOfTheErrorIsFoundUnlessTheKernelVouches(segment: Packet) {
    let whole = ICMPError.tooBig(segment.bytes, mtu: 1_300, quotedLength: 80).bytes
    for bit in segment.ipHeaderLength * 8..<whole.count * 8 {
      var bytes = whole
      bytes[bit / 8] ^= 1 << UInt8(bit % 8)
      #expect(PacketTooBig.read(bytes).reason == .badChecksum, "bit \(bit)")
    }
    var bytes = whole
    bytes[whole.count - 1] ^= 1
    #expect(PacketTooBig.read(bytes, .verified).reason == nil)
  }

  @Test func optionsOfEitherIPv4HeaderAreSkipped() throws {
    var quoted = segments[0]
    quoted.ipOptions = [1, 1, 1, 1, 1, 1, 1, 0]
    var error = ICMPError.tooBig(quoted.bytes, mtu: 1_300)
    error.ipOptions = [1, 1, 1, 0]
    let read = try PacketTooBig.read(error.bytes).get()
    #expect(read.key.localEndpoint == segments[0].source)
    #expect(read.sequence == SequenceNumber(0xffff_fff0))
  }

  @Test func otherMessagesAreIgnored() {
    for (segment, tooBig) in [(segments[0], (3, 4)), (segments[1], (2, 0))] as [(Packet, (UInt8, UInt8))] {
      for type in UInt8.min...UInt8.max where type != tooBig.0 {
        var error = ICMPError.tooBig(segment.bytes, mtu: 1_300)
        error.type = type
        #expect(PacketTooBig.read(error.bytes).reason == .icmpIgnored, "type \(type)")
      }
    }
    for code in 0...15 as ClosedRange<UInt8> where code != 4 {
      var error = ICMPError.tooBig(segments[0].bytes, mtu: 1_300)
      error.code = code
      #expect(PacketTooBig.read(error.bytes).reason == .icmpIgnored, "code \(code)")
    }
  }

  /// RFC 4443 §3.2: the code is set to zero by the sender and ignored by the receiver.
  @Test func theCodeOfAnICMPv6ErrorSaysNothing() {
    var error = ICMPError.tooBig(segments[1].bytes, mtu: 1_300)
    error.code = 1
    #expect(PacketTooBig.read(error.bytes).reason == nil)
  }

  @Test(arguments: segments)
  func whatIsNotICMPIsUnsupported(segment: Packet) {
    #expect(PacketTooBig.read(segment.bytes).reason == .unsupportedPacket)
    var udp = segment
    udp.transportProtocol = 17
    #expect(PacketTooBig.read(udp.bytes).reason == .unsupportedPacket)
    // Each family has an ICMP of its own.
    var foreign = segment
    foreign.transportProtocol = segment.isIPv4 ? 58 : 1
    #expect(PacketTooBig.read(foreign.bytes).reason == .unsupportedPacket)
  }

  @Test func aFragmentOfAnErrorIsRefused() {
    var error = ICMPError.tooBig(segments[0].bytes, mtu: 1_300)
    error.fragmentField = 0x2000
    #expect(PacketTooBig.read(error.bytes).reason == .fragment)
  }

  @Test(arguments: segments)
  func whomTheErrorWasSentToIsOurEndWhateverTheQuoteSays(segment: Packet) throws {
    var error = ICMPError.tooBig(segment.bytes, mtu: 1_300)
    error.destination = Address(segment.isIPv4 ? "192.168.200.2" : "fcc8::2")!
    let read = try PacketTooBig.read(error.bytes).get()
    #expect(read.key.localEndpoint == Endpoint(error.destination, port: segment.source.port))
    #expect(read.key.remoteEndpoint == segment.destination)
  }

  @Test(arguments: segments)
  func aQuoteOfAnythingButAWholeTCPSegmentIsForged(segment: Packet) {
    var udp = segment
    udp.transportProtocol = 17
    #expect(PacketTooBig.read(ICMPError.tooBig(udp.bytes, mtu: 1_300).bytes).reason == .icmpNotCredible)
    var fragment = segment
    fragment.fragmentField = 0x0010
    if segment.isIPv4 {
      let error = ICMPError.tooBig(fragment.bytes, mtu: 1_300)
      #expect(PacketTooBig.read(error.bytes).reason == .icmpNotCredible)
    }
    for version in 0..<16 as Range<UInt8> where version != (segment.isIPv4 ? 4 : 6) {
      var error = ICMPError.tooBig(segment.bytes, mtu: 1_300)
      error.quote[0] = version << 4 | 5
      #expect(PacketTooBig.read(error.bytes).reason == .icmpNotCredible, "version \(version)")
    }
  }

  @Test(arguments: 0..<5 as Range<UInt8>)
  func aQuotedIPv4HeaderOfLessThanTwentyBytesIsRefused(words: UInt8) {
    var error = ICMPError.tooBig(segments[0].bytes, mtu: 1_300)
    error.quote[0] = 0x40 | words
    #expect(PacketTooBig.read(error.bytes).reason == .shortPacket)
  }

  @Test(arguments: Seeds.all)
  func anyBytesBehindACredibleFrontAreReadWithinThemselves(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    for _ in 0..<2_000 {
      let segment = segments[random.oneIn(2) ? 0 : 1]
      var error = ICMPError.tooBig(segment.bytes, mtu: Int.random(in: 0...70_000, using: &random))
      error.quote = random.bytes(Int.random(in: 0...100, using: &random))
      if !error.quote.isEmpty, random.oneIn(2) { error.quote[0] = segment.isIPv4 ? 0x4f : 0x60 }
      // Nothing to expect but that it does not trap: the address sanitizer sees the rest.
      _ = PacketTooBig.read(error.bytes)
    }
  }
}
