import Testing

@testable import DataPlane

@Suite struct InternetChecksumTests {
  @Test(arguments: Seeds.all)
  func `every length gives the naive sum`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let pool = random.bytes(2_001)
    for length in 0...2_000 {
      let start = Int.random(in: 0...2_001 - length, using: &random)
      let bytes = Array(pool[start..<start + length])
      var sum = InternetChecksum()
      sum.add(bytes.raw)
      guard sum.folded.bigEndian == naiveSum(bytes) else {
        Issue.record("length \(length): \(sum.folded.bigEndian), not \(naiveSum(bytes))")
        return
      }
    }
  }

  @Test(arguments: 0...17)
  func `the address in memory does not matter`(offset: Int) {
    var random = SeededRandom(seed: UInt64(offset))
    let bytes = random.bytes(300)
    for length in [0, 1, 2, 15, 16, 17, 33, 255] {
      var sum = InternetChecksum()
      sum.add(bytes.raw.extracting(offset..<offset + length))
      #expect(sum.folded.bigEndian == naiveSum(Array(bytes[offset..<offset + length])))
    }
  }

  @Test(arguments: Seeds.all)
  func `pieces that start at even offsets add up`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let bytes = random.bytes(1_501)
    var sum = InternetChecksum()
    var start = 0
    while start < bytes.count {
      let length = min(2 * Int.random(in: 1...70, using: &random), bytes.count - start)
      sum.add(bytes.raw.extracting(start..<start + length))
      start += length
    }
    #expect(sum.folded.bigEndian == naiveSum(bytes))
  }

  @Test func `the largest packet of all ones does not overflow`() {
    let bytes = [UInt8](repeating: 0xff, count: 65_535)
    var sum = InternetChecksum()
    for _ in 0..<100 { sum.add(bytes.raw) }
    // 100 odd pieces: 100 * (32767 * ffff + ff00), and multiples of ffff vanish.
    #expect(sum.folded == UInt16(truncatingIfNeeded: 100 * 0x00ff % 0xffff))
  }

  @Test func `words, addresses and numbers add like their bytes`() throws {
    for text in ["192.0.2.1", "255.255.255.255", "2001:db8::ff:1", "::1", "ffff::ffff"] {
      let address = try #require(Address(text))
      var sum = InternetChecksum()
      sum.add(address)
      sum.add(hostOrder: 0x1234)
      sum.add(UInt16(bigEndian: 0xabcd))
      #expect(sum.folded.bigEndian == naiveSum(address.bytes + [0x12, 0x34, 0xab, 0xcd]), "\(text)")
    }
  }

  @Test(arguments: Seeds.all)
  func `a message with its own field is valid and any flipped bit makes it invalid`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var bytes = random.bytes(64)
    (bytes[10], bytes[11]) = (0, 0)
    var sum = InternetChecksum()
    sum.add(bytes.raw)
    let field = sum.field.bigEndian
    #expect(field == naiveChecksum(bytes))
    (bytes[10], bytes[11]) = (UInt8(field >> 8), UInt8(field & 0xff))
    #expect(isValid(bytes))
    for bit in 0..<bytes.count * 8 {
      bytes[bit / 8] ^= 1 << UInt8(bit % 8)
      #expect(!isValid(bytes), "bit \(bit)")
      bytes[bit / 8] ^= 1 << UInt8(bit % 8)
    }
  }

  private func isValid(_ bytes: [UInt8]) -> Bool {
    var sum = InternetChecksum()
    sum.add(bytes.raw)
    return sum.isValid
  }
}
