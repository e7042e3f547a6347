import Testing

@testable import DataPlane

private let six = Endpoint(Address("2001:db8::1")!, port: 1_000)
private let sixToo = Endpoint(Address("2001:db8:ffff::2")!, port: 2_000)

@Suite struct IPv6HeaderTests {
  private let packet = Packet(from: six, to: sixToo, .ack, payload: [1, 2, 3])

  @Test func `the view reads every field`() throws {
    var packet = packet
    packet.timeToLive = 17
    let bytes = packet.bytes
    let header = try #require(IPv6Fields(bytes))
    #expect(header.totalLength == 63)
    #expect(header.nextHeader == IPv6Header.protocolTCP)
    #expect(header.hopLimit == 17)
    #expect(header.source == six.address)
    #expect(header.destination == sixToo.address)
  }

  @Test(arguments: 0..<63)
  func `fewer bytes than stated are refused`(count: Int) {
    let bytes = Array(packet.bytes[..<count])
    #expect(IPv6Fields(bytes) == nil)
  }

  @Test(arguments: [1, 1_460, 65_535])
  func `the writer writes stock's header and nothing else`(payloadLength: Int) throws {
    var bytes = [UInt8](repeating: 0xee, count: 50)
    bytes.withRoom {
      IPv6Header.write(
        into: &$0, at: 5, source: six.address, destination: sixToo.address, payloadLength: payloadLength)
    }
    let length = UInt16(payloadLength)
    let wanted: [UInt8] = [0x60, 0, 0, 0, UInt8(length >> 8), UInt8(length & 0xff), 6, 64]
    #expect(Array(bytes[5..<45]) == wanted + six.address.bytes + sixToo.address.bytes)
    #expect(bytes[..<5].allSatisfy { $0 == 0xee } && bytes[45...].allSatisfy { $0 == 0xee })
  }
}
