/// How many buffers of one class to receive into before they are dealt with: no more than a core's cache holds, by what
/// has come into them of late (docs/decisions/0014-buffer-counts.md).
struct BufferBudget: BitwiseCopyable {
  /// Bytes in a buffer: a mean of the last dozens.
  private var length = 0

  /// So many bytes have come into one; a number below 0 is an error, and counts for little.
  @inline(__always)
  mutating func note(_ bytes: Int) { length &+= (bytes &- length) / 16 }

  @inline(__always)
  var count: Int { max(Limits.budgetBytes / max(length, 1), Limits.lentBufferCountMin) }
}
