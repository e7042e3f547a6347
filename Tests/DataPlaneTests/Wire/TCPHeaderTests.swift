import Testing

@testable import DataPlane

@Suite struct TCPHeaderTests {
  /// A segment alone: what lies behind the IPv4 header.
  private func segment(options: [UInt8] = [], payload: [UInt8] = []) -> [UInt8] {
    var packet = Packet(
      from: Endpoint(Address("192.0.2.1")!, port: 0x1234), to: Endpoint(Address("192.0.2.2")!, port: 0xabcd),
      [.ack, .psh], sequence: 0xdead_beef, acknowledgement: 0x0102_0304, payload: payload)
    packet.options = options
    packet.window = 0x8001
    return Array(packet.bytes[20...])
  }

  @Test func `the view reads every field`() throws {
    let bytes = segment(options: [2, 4, 5, 0xb4], payload: [9, 9])
    let header = try #require(TCPFields(bytes))
    #expect(header.headerLength == 24)
    #expect(header.sourcePort == 0x1234)
    #expect(header.destinationPort == 0xabcd)
    #expect(header.sequence == SequenceNumber(0xdead_beef))
    #expect(header.acknowledgement == SequenceNumber(0x0102_0304))
    #expect(header.flags == [.ack, .psh])
    #expect(header.window == 0x8001)
    #expect(header.checksum == bytes.big16(16))
    #expect(header.options == [.maximumSegmentSize(1_460)])
  }

  @Test(arguments: 0..<20)
  func `fewer bytes than a header are refused`(count: Int) {
    let bytes = Array(segment()[..<count])
    #expect(TCPFields(bytes) == nil)
  }

  @Test(arguments: 0..<16, [20, 24, 59, 60, 100])
  func `a data offset must be at least twenty and within the segment`(words: UInt8, count: Int) {
    var bytes = segment(payload: [UInt8](repeating: 0, count: count - 20))
    bytes[12] = words << 4
    let header = TCPFields(bytes)
    let isTaken = words >= 5 && Int(words) * 4 <= count
    #expect((header != nil) == isTaken)
    if let header { #expect(header.headerLength == Int(words) * 4) }
  }

  @Test(arguments: 0...255)
  func `every flag combination is read as it is`(rawValue: UInt8) throws {
    var bytes = segment()
    bytes[13] = rawValue
    let header = try #require(TCPFields(bytes))
    #expect(header.flags.rawValue == rawValue)
  }

  @Test(arguments: [TCPFlags.ack, [.rst], [.rst, .ack], [.syn], [.syn, .ack]])
  func `the writer writes the constant window, and a SYN's options`(flags: TCPFlags) {
    let length = TCPHeader.length(for: flags)
    #expect(length == (flags.contains(.syn) ? 24 : 20))
    var bytes = [UInt8](repeating: 0xee, count: length + 10)
    bytes.withRoom {
      TCPHeader.write(
        into: &$0, at: 5, sourcePort: 0x1234, destinationPort: 0xabcd, sequence: SequenceNumber(0xdead_beef),
        acknowledgement: SequenceNumber(0x0102_0304), flags: flags, checksum: UInt16(bigEndian: 0x7788))
    }
    let wanted: [UInt8] = [
      0x12, 0x34, 0xab, 0xcd, 0xde, 0xad, 0xbe, 0xef, 1, 2, 3, 4, UInt8(length) << 2, flags.rawValue, 0xff,
      0xff,
      0x77, 0x88, 0, 0,
    ]
    #expect(Array(bytes[5..<5 + length]) == wanted + (flags.contains(.syn) ? Packet.synOptions : []))
    #expect(bytes[..<5].allSatisfy { $0 == 0xee } && bytes[(5 + length)...].allSatisfy { $0 == 0xee })
  }
}
