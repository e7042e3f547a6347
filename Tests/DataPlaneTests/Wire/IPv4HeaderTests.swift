import Testing

@testable import DataPlane

private let four = Endpoint(Address("192.0.2.1")!, port: 1_000)
private let fourToo = Endpoint(Address("198.51.100.2")!, port: 2_000)

@Suite struct IPv4HeaderTests {
  private let packet = Packet(from: four, to: fourToo, .ack, payload: [1, 2, 3])

  @Test func `the view reads every field`() throws {
    var packet = packet
    (packet.timeToLive, packet.identification, packet.typeOfService) = (17, 0xbeef, 0xb8)
    let bytes = packet.bytes
    let header = try #require(IPv4Fields(bytes))
    #expect(header.headerLength == 20)
    #expect(header.totalLength == 43)
    #expect(header.transportProtocol == IPv4Header.protocolTCP)
    #expect(header.source == four.address)
    #expect(header.destination == fourToo.address)
    #expect(header.timeToLive == 17)
    #expect(header.identification == 0xbeef)
    #expect(header.typeOfService == 0xb8)
    #expect(header.dontFragment)
    #expect(!header.isFragment)
    #expect(header.hasValidChecksum)
  }

  @Test func `options belong to the header`() throws {
    var packet = packet
    packet.ipOptions = [1, 1, 1, 0, 7, 4, 4, 0]
    let bytes = packet.bytes
    let header = try #require(IPv4Fields(bytes))
    #expect(header.headerLength == 28)
    #expect(header.hasValidChecksum)
  }

  @Test(arguments: 0..<20)
  func `fewer bytes than a header are refused`(count: Int) {
    let bytes = Array(packet.bytes[..<count])
    #expect(IPv4Fields(bytes) == nil)
  }

  @Test(arguments: 0..<16)
  func `a header length must be at least twenty and within the packet`(words: UInt8) {
    var bytes = packet.bytes
    bytes[0] = 0x40 | words
    #expect((IPv4Fields(bytes) != nil) == (words >= 5 && Int(words) * 4 <= bytes.count))
  }

  @Test(arguments: [
    (0, false), (19, false), (20, true), (42, true), (43, true), (44, false), (65_535, false),
  ])
  func `a total length must hold the header and be there`(length: UInt16, isTaken: Bool) {
    var bytes = packet.bytes
    (bytes[2], bytes[3]) = (UInt8(length >> 8), UInt8(length & 0xff))
    #expect((IPv4Fields(bytes) != nil) == isTaken)
  }

  @Test(
    arguments: [
      (0x0000, false), (0x4000, false), (0x8000, false), (0x2000, true), (0x0001, true), (0x1fff, true),
      (0x3fff, true), (0x4001, true), (0x6000, true),
    ] as [(UInt16, Bool)])
  func `more fragments or an offset makes a fragment`(field: UInt16, isFragment: Bool) throws {
    var packet = packet
    packet.fragmentField = field
    let bytes = packet.bytes
    let header = try #require(IPv4Fields(bytes))
    #expect(header.isFragment == isFragment)
  }

  @Test func `a wrong header checksum is seen`() throws {
    var bytes = packet.bytes
    bytes[8] -= 1
    let header = try #require(IPv4Fields(bytes))
    #expect(!header.hasValidChecksum)
  }

  @Test(arguments: [40, 1_500, 65_535])
  func `the writer writes stock's header and nothing else`(totalLength: Int) throws {
    var bytes = [UInt8](repeating: 0xee, count: 30)
    bytes.withRoom {
      IPv4Header.write(
        into: &$0, at: 5, source: four.address, destination: fourToo.address, totalLength: totalLength)
    }
    var packet = packet
    packet.payload = [UInt8](repeating: 0, count: totalLength - 40)
    #expect(Array(bytes[5..<25]) == Array(packet.bytes[..<20]))
    #expect(bytes[..<5].allSatisfy { $0 == 0xee } && bytes[25...].allSatisfy { $0 == 0xee })
  }
}
