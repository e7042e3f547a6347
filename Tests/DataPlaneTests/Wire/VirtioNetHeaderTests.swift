import Testing

@testable import DataPlane

@Suite struct VirtioNetHeaderTests {
  @Test func `the layout is the kernel's`() throws {
    #expect(MemoryLayout<VirtioNetHeader>.size == VirtioNetHeader.length)
    let bytes: [UInt8] = [1, 4, 60, 0, 0x78, 0x05, 40, 0, 16, 0, 1, 0]
    let header = try #require(VirtioNetHeader(bytes))
    #expect(header.flags == VirtioNetHeader.flagNeedsChecksum)
    #expect(header.gsoType == VirtioNetHeader.gsoTCPv6)
    #expect(header.headerLength == 60)
    #expect(header.gsoSize == 1_400)
    #expect(header.checksumStart == 40)
    #expect(header.checksumOffset == 16)
    #expect(header.bufferCount == 1)
  }

  @Test(arguments: 0..<12)
  func `fewer bytes are refused`(count: Int) {
    let bytes = [UInt8](repeating: 0, count: count)
    #expect(VirtioNetHeader(bytes) == nil)
  }

  @Test(
    arguments: [(0, false), (1, true), (2, true), (3, true), (4, false), (0xfc, false)] as [(UInt8, Bool)])
  func `the kernel vouches with either flag`(flags: UInt8, isTrusted: Bool) {
    var header = VirtioNetHeader()
    header.flags = flags
    #expect(header.checksumIsTrusted == isTrusted)
  }

  @Test(arguments: [true, false], [0, 1_400])
  func `a segment asks for its checksum and a train for its cutting`(isIPv4: Bool, segmentSize: Int) {
    let ipLength = isIPv4 ? 20 : 40
    let header = VirtioNetHeader(isIPv4: isIPv4, ipLength: ipLength, tcpLength: 20, segmentSize: segmentSize)
    #expect(header.flags == VirtioNetHeader.flagNeedsChecksum)
    #expect(Int(header.checksumStart) == ipLength)
    #expect(header.checksumOffset == 16)
    #expect(Int(header.gsoSize) == segmentSize)
    guard segmentSize > 0 else {
      #expect(header.gsoType == VirtioNetHeader.gsoNone)
      return
    }
    #expect(header.gsoType == (isIPv4 ? VirtioNetHeader.gsoTCPv4 : VirtioNetHeader.gsoTCPv6))
    #expect(Int(header.headerLength) == ipLength + 20)
  }
}
