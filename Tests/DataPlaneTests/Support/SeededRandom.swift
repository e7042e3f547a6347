import Glibc

/// A seeded source of randomness (SplitMix64): a failing seed can be run again.
struct SeededRandom: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  mutating func bytes(_ count: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    var word: UInt64 = 0
    for index in 0..<count {
      word = index % 8 == 0 ? next() : word >> 8
      bytes[index] = UInt8(truncatingIfNeeded: word)
    }
    return bytes
  }

  mutating func chance(_ probability: Double) -> Bool { Double.random(in: 0..<1, using: &self) < probability }

  /// True once in `count` times on average.
  mutating func oneIn(_ count: Int) -> Bool { Int.random(in: 0..<count, using: &self) == 0 }
}

/// The seeds that randomised tests run with: arguments of the test, so that a failure prints its own.
enum Seeds {
  /// A few fixed ones and one that is new each time; `GUISE_TEST_SEED=n` runs with that one alone.
  static let all: [UInt64] = {
    if let text = unsafe getenv("GUISE_TEST_SEED"), let seed = UInt64(unsafe String(cString: text)) {
      return [seed]
    }
    return [1, 2, 3, .random(in: 4...UInt64(UInt32.max))]
  }()
}
