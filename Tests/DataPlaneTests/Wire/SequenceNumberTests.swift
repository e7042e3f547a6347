import Testing

@testable import DataPlane

@Suite struct SequenceNumberTests {
  @Test(
    arguments: [
      (0, 1, 1), (0xffff_ffff, 1, 0), (0xffff_ff00, 0x200, 0x100), (5, -6, 0xffff_ffff), (7, 0, 7),
      (1, 1 << 32, 1), (0x8000_0000, 0x8000_0000, 0),
    ] as [(UInt32, Int, UInt32)])
  func `addition wraps`(start: UInt32, count: Int, end: UInt32) {
    #expect(SequenceNumber(start) + count == SequenceNumber(end))
    var moving = SequenceNumber(start)
    moving += count
    #expect(moving == SequenceNumber(end))
  }

  @Test(
    arguments: [
      (1, 0, 1), (0, 1, -1), (0, 0xffff_ffff, 1), (0xffff_ffff, 0, -1), (0x7fff_ffff, 0, 0x7fff_ffff),
      (0x8000_0000, 0, -0x8000_0000), (100, 0xffff_ff9c, 200),
    ] as [(UInt32, UInt32, Int)])
  func `the distance is the shorter way round the circle`(a: UInt32, b: UInt32, distance: Int) {
    #expect(SequenceNumber(a) - SequenceNumber(b) == distance)
  }

  @Test(arguments: [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff] as [UInt32])
  func `order holds across the wrap`(value: UInt32) {
    let here = SequenceNumber(value)
    for step in [1, 2, 1_000_000, 0x7fff_ffff] {
      #expect(here < here + step)
      #expect(here <= here + step)
      #expect(!(here + step < here))
      #expect(!(here + step <= here))
    }
    #expect(!(here < here))
    #expect(here <= here)
  }

  @Test(arguments: Seeds.all)
  func `distance undoes addition`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    for _ in 0..<1_000 {
      let start = SequenceNumber(UInt32(truncatingIfNeeded: random.next()))
      let step = Int(Int32(truncatingIfNeeded: random.next()))
      #expect((start + step) - start == step)
    }
  }
}
