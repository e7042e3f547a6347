import Testing

@testable import DataPlane

/// SipHash-2-4 over any number of bytes, from its paper's description: the twin of the one that takes five words.
private func naiveSipHash(_ message: [UInt8], key: [UInt8]) -> UInt64 {
  func word(_ bytes: some Collection<UInt8>) -> UInt64 { bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) } }
  func rotated(_ x: UInt64, _ bits: UInt64) -> UInt64 { x << bits | x >> (64 - bits) }
  let (k0, k1) = (word(key[..<8]), word(key[8...]))
  // "somepseudorandomlygeneratedbytes"
  var v = [
    k0 ^ word("uespemos".utf8), k1 ^ word("modnarod".utf8), k0 ^ word("arenegyl".utf8),
    k1 ^ word("setybdet".utf8),
  ]
  func round() {
    v[0] &+= v[1]
    v[2] &+= v[3]
    v[1] = rotated(v[1], 13) ^ v[0]
    v[3] = rotated(v[3], 16) ^ v[2]
    v[0] = rotated(v[0], 32)
    v[2] &+= v[1]
    v[0] &+= v[3]
    v[1] = rotated(v[1], 17) ^ v[2]
    v[3] = rotated(v[3], 21) ^ v[0]
    v[2] = rotated(v[2], 32)
  }
  // Zeros up to seven bytes short of a word, and the length's low byte in the last.
  var padded = message
  while padded.count % 8 != 7 { padded.append(0) }
  padded.append(UInt8(truncatingIfNeeded: message.count))
  for start in stride(from: 0, to: padded.count, by: 8) {
    let m = word(padded[start..<start + 8])
    v[3] ^= m
    round()
    round()
    v[0] ^= m
  }
  v[2] ^= 0xff
  for _ in 0..<4 { round() }
  return v[0] ^ v[1] ^ v[2] ^ v[3]
}

@Suite struct SipHashTests {
  private static let key: [UInt8] = Array(0..<16)

  /// Key 00...0f, message 00, 01, ...: the authors' published outputs for these lengths.
  @Test(
    arguments: [
      (0, 0x726f_db47_dd0e_0e31), (1, 0x74f8_39c5_93dc_67fd), (2, 0x0d6c_8009_d9a9_4f5a),
      (3, 0x8567_6696_d7fb_7e2d), (7, 0xab02_00f5_8b01_d137), (8, 0x93f5_f579_9a93_2462),
      (15, 0xa129_ca61_49be_45e5),
    ] as [(Int, UInt64)])
  func `the twin gives the published vectors`(length: Int, hash: UInt64) {
    #expect(naiveSipHash((0..<length).map(UInt8.init), key: Self.key) == hash)
  }

  @Test func `five words hash like their forty bytes`() {
    let hash = SipHash(key: (0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908))
    let found = hash.hash(
      0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908, 0x1716_1514_1312_1110, 0x1f1e_1d1c_1b1a_1918,
      0x2726_2524_2322_2120)
    #expect(found == naiveSipHash(Array(0..<40), key: Self.key))
  }

  @Test(arguments: Seeds.all)
  func `any key and any words hash like the twin`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    func bytes(_ words: [UInt64]) -> [UInt8] {
      words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) } }
    }
    for _ in 0..<200 {
      let k = (random.next(), random.next())
      let m = (0..<5).map { _ in random.next() }
      let found = SipHash(key: k).hash(m[0], m[1], m[2], m[3], m[4])
      #expect(found == naiveSipHash(bytes(m), key: bytes([k.0, k.1])))
    }
  }
}
