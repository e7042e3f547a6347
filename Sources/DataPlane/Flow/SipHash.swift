/// SipHash-2-4 over whole 64-bit words (Aumasson and Bernstein, 2012).
struct SipHash: Sendable {
  private let k0: UInt64
  private let k1: UInt64

  init(key: (UInt64, UInt64)) { (k0, k1) = key }

  /// The hash of five words, 40 bytes in little-endian order.
  func hash(_ a: UInt64, _ b: UInt64, _ c: UInt64, _ d: UInt64, _ e: UInt64) -> UInt64 {
    var s = Rounds(k0, k1)
    s.absorb(a)
    s.absorb(b)
    s.absorb(c)
    s.absorb(d)
    s.absorb(e)
    return s.finish(byteCount: 40)
  }

  private struct Rounds {
    var v0, v1, v2, v3: UInt64

    init(_ k0: UInt64, _ k1: UInt64) {
      v0 = k0 ^ 0x736f_6d65_7073_6575
      v1 = k1 ^ 0x646f_7261_6e64_6f6d
      v2 = k0 ^ 0x6c79_6765_6e65_7261
      v3 = k1 ^ 0x7465_6462_7974_6573
    }

    mutating func absorb(_ word: UInt64) {
      v3 ^= word
      round()
      round()
      v0 ^= word
    }

    mutating func finish(byteCount: UInt64) -> UInt64 {
      absorb(byteCount << 56)
      v2 ^= 0xff
      for _ in 0..<4 { round() }
      return v0 ^ v1 ^ v2 ^ v3
    }

    private mutating func round() {
      v0 &+= v1
      v1 = rotate(v1, 13) ^ v0
      v0 = rotate(v0, 32)
      v2 &+= v3
      v3 = rotate(v3, 16) ^ v2
      v0 &+= v3
      v3 = rotate(v3, 21) ^ v0
      v2 &+= v1
      v1 = rotate(v1, 17) ^ v2
      v2 = rotate(v2, 32)
    }

    private func rotate(_ x: UInt64, _ n: UInt64) -> UInt64 { x &<< n | x &>> (64 &- n) }
  }
}
