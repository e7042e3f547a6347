import Testing

@testable import DataPlane

private let families: [FlowKey] = [
  FlowKey(
    remote: Address("10.79.0.2")!, local: Address("192.168.200.2")!, remotePort: 4_567, localPort: 33_000),
  FlowKey(remote: Address("fd79::2")!, local: Address("fcc8::2")!, remotePort: 4_567, localPort: 33_000),
]

@Suite struct SegmentHeaderTests {
  private func header(_ key: FlowKey, _ flags: TCPFlags, payloadLength: Int = 0, segmentSize: Int = 0)
    -> SegmentHeader
  {
    SegmentHeader(
      key: key, sequence: SequenceNumber(0xffff_fff0), acknowledgement: SequenceNumber(0x8000_0001),
      flags: flags,
      payloadLength: payloadLength, segmentSize: segmentSize)
  }

  @Test(arguments: families, [TCPFlags.syn, [.syn, .ack], .ack, .rst, [.rst, .ack]])
  func `a control segment leaves in stock's shape`(key: FlowKey, flags: TCPFlags) throws {
    let packets = try TunFrame(header(key, flags)).packets
    #expect(packets.count == 1)
    expectPacket(
      packets.first, .stockShape, .from(key.localEndpoint), .to(key.remoteEndpoint), .flags(flags),
      .sequence(0xffff_fff0), .acknowledgement(0x8000_0001), .noPayload)
  }

  @Test(arguments: families, [1, 2, 99, 100, 1_400, 1_460])
  func `a datagram leaves as one segment`(key: FlowKey, length: Int) throws {
    var random = SeededRandom(seed: UInt64(length))
    let payload = random.bytes(length)
    let packets = try TunFrame(header(key, .ack, payloadLength: length), payload: payload).packets
    #expect(packets.count == 1)
    expectPacket(packets.first, .stockShape, .flags(.ack), .sequence(0xffff_fff0), .payload(payload))
  }

  @Test(arguments: families, [(1_400, 1_400 * 46), (1_400, 3_000), (1, 64), (100, 101), (1_000, 64_001)])
  func `a train leaves as the segments that its datagrams would have made`(
    key: FlowKey, _ sizes: (part: Int, total: Int)
  )
    throws
  {
    var random = SeededRandom(seed: 7)
    let payload = random.bytes(sizes.total)
    let train = header(key, .ack, payloadLength: sizes.total, segmentSize: sizes.part)
    let packets = try TunFrame(train, payload: payload).packets
    #expect(packets.count == (sizes.total + sizes.part - 1) / sizes.part)
    var offset = 0
    for (index, bytes) in packets.enumerated() {
      let part = Array(payload[offset..<min(offset + sizes.part, sizes.total)])
      let packet = try #require(
        expectPacket(
          bytes, .flags(.ack), .sequence(0xffff_fff0 &+ UInt32(offset)), .acknowledgement(0x8000_0001),
          .payload(part)))
      #expect(packet.identification == (key.isIPv4 ? UInt16(index) : 0))
      offset += part.count
    }
    #expect(offset == sizes.total)
  }

  @Test(arguments: families, [TCPFlags.syn, .ack])
  func `the stated length is exactly what is written`(key: FlowKey, flags: TCPFlags) {
    let header = header(key, flags)
    #expect(header.length == 12 + (key.isIPv4 ? 20 : 40) + (flags == .syn ? 24 : 20))
    #expect(header.length <= SegmentHeader.lengthMax)
    #expect(SegmentHeader.lengthMax <= Limits.headroom)
    var bytes = [UInt8](repeating: 0xee, count: header.length + 8)
    bytes.withRoom { header.write(into: &$0) }
    #expect(bytes.suffix(8) == [UInt8](repeating: 0xee, count: 8))
    var exact = [UInt8](repeating: 0xdd, count: header.length)
    exact.withRoom { header.write(into: &$0) }
    // The same whatever lay there before: every byte is written.
    #expect(exact == Array(bytes.prefix(header.length)))
  }

  @Test func `room that is too small traps`() async {
    await #expect(processExitsWith: .failure) {
      let key = FlowKey(remote: Address("::1")!, local: Address("::2")!, remotePort: 1, localPort: 2)
      let header = SegmentHeader(
        key: key, sequence: SequenceNumber(0), acknowledgement: SequenceNumber(0), flags: .syn)
      var bytes = [UInt8](repeating: 0, count: header.length - 1)
      bytes.withRoom { header.write(into: &$0) }
    }
  }
}
