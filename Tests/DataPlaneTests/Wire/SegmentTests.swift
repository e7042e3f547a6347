import Testing

@testable import DataPlane

/// A packet of each family.
private let samples: [Packet] = [
  Packet(
    from: Endpoint(Address("192.0.2.1")!, port: 1_000), to: Endpoint(Address("198.51.100.2")!, port: 2_000),
    .ack, sequence: 0xffff_fff0, acknowledgement: 77, payload: Array(0..<100)),
  Packet(
    from: Endpoint(Address("2001:db8::1")!, port: 1_000), to: Endpoint(Address("2001:db8::2")!, port: 2_000),
    .ack, sequence: 0xffff_fff0, acknowledgement: 77, payload: Array(0..<100)),
]

@Suite struct SegmentTests {
  @Test(arguments: samples)
  func `every field is seen from our side`(packet: Packet) throws {
    let segment = try Segment.read(packet.bytes).get()
    #expect(segment.key.remoteEndpoint == packet.source)
    #expect(segment.key.localEndpoint == packet.destination)
    #expect(segment.sequence == SequenceNumber(0xffff_fff0))
    #expect(segment.acknowledgement == SequenceNumber(77))
    #expect(segment.flags == .ack)
    #expect(segment.payloadOffset == packet.bytes.count - 100)
    #expect(segment.payloadLength == 100)
    #expect(segment.segmentSize == 0)
    #expect(segment.end == SequenceNumber(84))
  }

  @Test(arguments: samples, [0, 4, 12, 40])
  func `options are not payload`(packet: Packet, optionLength: Int) throws {
    var packet = packet
    packet.options = [UInt8](repeating: 1, count: optionLength)
    let bytes = packet.bytes
    let segment = try Segment.read(bytes).get()
    #expect(segment.payloadLength == 100)
    #expect(Array(bytes[segment.payloadOffset...]) == packet.payload)
  }

  @Test(arguments: [4, 20, 40])
  func `IP options are not payload`(optionLength: Int) throws {
    var packet = samples[0]
    packet.ipOptions = [UInt8](repeating: 1, count: optionLength)
    let bytes = packet.bytes
    let segment = try Segment.read(bytes).get()
    #expect(Array(bytes[segment.payloadOffset...]) == packet.payload)
  }

  @Test(arguments: samples, [1, 2, 6, 1_000])
  func `trailing bytes are not payload`(packet: Packet, count: Int) throws {
    let segment = try Segment.read(packet.bytes + [UInt8](repeating: 0xee, count: count)).get()
    #expect(segment.payloadLength == 100)
  }

  @Test(
    arguments: [
      ([], 100, 100), ([.syn], 0, 1), ([.fin], 0, 1), ([.syn, .fin], 3, 5), ([.rst], 0, 0),
    ] as [(TCPFlags, Int, UInt32)])
  func `SYN and FIN take a place in the sequence`(flags: TCPFlags, length: Int, end: UInt32) throws {
    var packet = samples[0]
    packet.flags = flags
    packet.sequence = 0
    packet.payload = [UInt8](repeating: 0, count: length)
    #expect(try Segment.read(packet.bytes).get().end == SequenceNumber(end))
  }

  @Test(arguments: samples, 0..<64)
  func `flags are passed on as they are`(packet: Packet, rawValue: UInt8) throws {
    var packet = packet
    packet.flags = TCPFlags(rawValue: rawValue)
    #expect(try Segment.read(packet.bytes).get().flags.rawValue == rawValue)
  }

  // MARK: - Super-packets

  @Test(arguments: [
    (100, 0, 1), (100, 100, 1), (100, 200, 1), (100, 50, 2), (100, 99, 2), (100, 33, 4), (100, 34, 3),
    (100, 1, 100), (0, 50, 1),
  ])
  func `a super-packet has a part for each stretch of the segment size`(length: Int, size: UInt16, parts: Int)
    throws
  {
    for sample in samples {
      var packet = sample
      packet.payload = [UInt8](repeating: 7, count: length)
      var vnet = VirtioNetHeader.verified
      vnet.gsoType = packet.isIPv4 ? VirtioNetHeader.gsoTCPv4 : VirtioNetHeader.gsoTCPv6
      vnet.gsoSize = size
      let segment = try Segment.read(packet.bytes, vnet).get()
      #expect(segment.segmentSize == Int(size))
      #expect(segment.partCount == parts)
    }
  }

  @Test func `a size without a segmentation type means nothing`() throws {
    var vnet = VirtioNetHeader.verified
    vnet.gsoSize = 50
    #expect(try Segment.read(samples[0].bytes, vnet).get().segmentSize == 0)
    vnet.gsoType = VirtioNetHeader.gsoECN
    #expect(try Segment.read(samples[0].bytes, vnet).get().segmentSize == 0)
    vnet.gsoType = VirtioNetHeader.gsoTCPv4 | VirtioNetHeader.gsoECN
    #expect(try Segment.read(samples[0].bytes, vnet).get().segmentSize == 50)
  }

  @Test func `the largest packets of both families are taken`() throws {
    var four = samples[0]
    four.payload = [UInt8](repeating: 7, count: 65_535 - 40)
    #expect(try Segment.read(four.bytes).get().payloadLength == 65_495)
    var six = samples[1]
    six.payload = [UInt8](repeating: 7, count: 65_535 - 20)
    #expect(try Segment.read(six.bytes).get().payloadLength == 65_515)
  }

  // MARK: - Checksums

  @Test(arguments: samples, [VirtioNetHeader.flagNeedsChecksum, VirtioNetHeader.flagDataValid, 3])
  func `the kernel's word is taken for a checksum`(packet: Packet, flags: UInt8) throws {
    var bytes = packet.bytes
    bytes[bytes.count - 1] ^= 1
    var vnet = VirtioNetHeader.plain
    vnet.flags = flags
    #expect(try Segment.read(bytes, vnet).get().payloadLength == 100)
  }

  @Test(arguments: samples)
  func `without it, every flipped bit of the segment is found`(packet: Packet) {
    let whole = packet.bytes
    var seen = Set<DropReason>()
    for bit in packet.ipHeaderLength * 8..<whole.count * 8 {
      var bytes = whole
      bytes[bit / 8] ^= 1 << UInt8(bit % 8)
      guard case .failure(let reason) = Segment.read(bytes) else {
        Issue.record("bit \(bit) was not noticed")
        return
      }
      seen.insert(reason)
    }
    // The data offset is looked at before the sum.
    #expect(seen == [.badChecksum, .badHeaderLength])
  }

  @Test(arguments: samples)
  func `addresses are covered too`(packet: Packet) {
    let last = packet.ipHeaderLength - 1
    var bytes = packet.bytes
    bytes[last] ^= 1
    #expect(Segment.read(bytes).reason == .badChecksum)
  }

  @Test(arguments: samples, 0...9)
  func `odd and even lengths are summed right`(packet: Packet, length: Int) throws {
    var packet = packet
    packet.payload = [UInt8](repeating: 0xa5, count: length)
    #expect(try Segment.read(packet.bytes).get().payloadLength == length)
  }
}

extension Result where Failure == DropReason {
  /// Why it was dropped; nil when it was not.
  var reason: DropReason? { if case .failure(let reason) = self { reason } else { nil } }
}
