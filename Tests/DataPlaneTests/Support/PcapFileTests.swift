import Testing

@Suite struct PcapFileTests {
  private let header: [UInt8] =
    [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0] + [UInt8](repeating: 0, count: 12) + [101, 0, 0, 0]

  @Test func `packets come in order`() throws {
    let record: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 9, 0, 0, 0]
    let file = try PcapFile(header + record + [1, 2] + record + [3, 4])
    #expect(file.packets == [[1, 2], [3, 4]])
  }

  @Test func `both byte orders are read`() throws {
    let big: [UInt8] =
      [0xa1, 0xb2, 0xc3, 0xd4, 0, 2, 0, 4] + [UInt8](repeating: 0, count: 12) + [0, 0, 0, 101]
    #expect(try PcapFile(big + [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 5]).packets == [[5]])
  }

  @Test func `what is no whole capture is refused`() {
    #expect(throws: PcapFile.Malformation.notPcap) { try PcapFile([1, 2, 3]) }
    #expect(throws: PcapFile.Malformation.notPcap) { try PcapFile([UInt8](repeating: 0, count: 24)) }
    #expect(throws: PcapFile.Malformation.truncated(atByte: 24)) { try PcapFile(header + [1]) }
    let record: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0]
    #expect(throws: PcapFile.Malformation.truncated(atByte: 40)) { try PcapFile(header + record + [1]) }
    var ethernet = header
    ethernet[20] = 1
    #expect(throws: PcapFile.Malformation.notRawIP(linkType: 1)) { try PcapFile(ethernet) }
  }
}
