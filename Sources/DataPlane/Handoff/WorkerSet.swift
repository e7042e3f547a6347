/// A set of worker indices below `Limits.workerCountMax`.
struct WorkerSet: BitwiseCopyable {
  private var words: InlineArray<4, UInt64> = InlineArray(repeating: 0)

  mutating func insert(_ worker: Int) { words[worker >> 6] |= 1 << UInt64(worker & 63) }

  /// Takes the lowest member out; nil when the set is empty.
  mutating func popFirst() -> Int? {
    for word in 0..<4 where words[word] != 0 {
      let bit = words[word].trailingZeroBitCount
      words[word] &= words[word] &- 1
      return word << 6 | bit
    }
    return nil
  }
}
