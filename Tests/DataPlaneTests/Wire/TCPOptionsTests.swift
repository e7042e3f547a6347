import Testing

@testable import DataPlane

@Suite struct TCPOptionsTests {
  private func read(_ bytes: [UInt8]) -> [TCPOptions.Option] {
    var options = TCPOptions(bytes.raw)
    var found = [TCPOptions.Option]()
    while let option = options.next() { found.append(option) }
    // Once at the end, always at the end.
    #expect(options.next() == nil)
    return found
  }

  @Test func `stock's SYN carries a window scale of 14`() {
    #expect(read(Packet.synOptions) == [.windowScale(14)])
  }

  @Test func `an ordinary SYN's options are read in order`() {
    let bytes: [UInt8] = [
      2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7,
    ]
    #expect(
      read(bytes) == [.maximumSegmentSize(1_460), .other(kind: 4), .other(kind: 8), .windowScale(7)])
  }

  @Test(
    arguments: [
      ([], []),
      ([1], []), ([1, 1, 1, 1], []),
      ([1, 1, 3, 3, 5], [.windowScale(5)]),
      ([0, 3, 3, 5], []),
      ([3, 3, 5, 0, 2, 4, 1, 1], [.windowScale(5)]),
    ] as [([UInt8], [TCPOptions.Option])])
  func `padding is skipped and the end of the list ends it`(bytes: [UInt8], wanted: [TCPOptions.Option]) {
    #expect(read(bytes) == wanted)
  }

  @Test(
    arguments: [
      [3, 0, 5, 1], [3, 1, 5, 1], [254, 0], [254, 1, 1, 1],
    ] as [[UInt8]])
  func `a length that does not hold itself ends the walk`(bytes: [UInt8]) { #expect(read(bytes) == []) }

  @Test(
    arguments: [
      [3], [2], [3, 3], [2, 4, 5], [254, 255, 0, 0], [1, 1, 1, 8], [8, 10, 0, 0, 0, 1, 0, 0, 0],
    ] as [[UInt8]])
  func `an option that overruns the header ends the walk`(bytes: [UInt8]) { #expect(read(bytes) == []) }

  @Test(arguments: [([2, 3, 1], 2), ([2, 2], 2), ([3, 4, 1, 1], 3), ([3, 2], 3)] as [([UInt8], UInt8)])
  func `a known kind of another length is not taken for it`(bytes: [UInt8], kind: UInt8) {
    #expect(read(bytes) == [.other(kind: kind)])
  }

  @Test(arguments: Seeds.all)
  func `any bytes are walked to an end`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    for length in 0...40 {
      for _ in 0..<50 { #expect(read(random.bytes(length)).count <= length / 2) }
    }
  }
}
