internal import Glibc

/// Waits for what the kernel finishes by itself in a moment: the descriptors that a ring held are closed
/// some milliseconds after the process has ended, killed ones above all.
enum Patience {
  /// Asks until the answer is yes, every `step` for up to `milliseconds`; returns the last answer.
  @discardableResult
  static func wait<Failure: Error>(
    milliseconds: Int = 1_000, step: Int = 20, until isDone: () throws(Failure) -> Bool
  ) throws(Failure) -> Bool {
    for _ in 0..<(milliseconds / step) {
      if try isDone() { return true }
      usleep(UInt32(step) * 1_000)
    }
    return try isDone()
  }
}
