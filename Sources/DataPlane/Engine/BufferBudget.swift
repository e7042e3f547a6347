/// How many buffers of one class to receive into before they are dealt with: no more than lie in a core's own cache beside
/// what they are copied from and to, by what has come into them of late (docs/decisions/0014-buffer-counts.md).
struct BufferBudget: BitwiseCopyable {
  /// Bytes in a buffer: a mean of the last dozens.
  private var length = 0

  /// So many bytes have come into one; a number below 0 is an error, and counts for little.
  @inline(__always)
  mutating func note(_ bytes: Int) { length &+= (bytes &- length) / 16 }

  /// For a turn that takes so many times as much as usual. Three at least, however long what comes is.
  @inline(__always)
  func count(depth: Int) -> Int { Limits.budgetBytes &* depth / max(length, 1) }
}
