/// Payload sizes in bytes: one (`1400`) or all from the first to the second (`64-1400`).
package struct SizeRange: Equatable, Sendable {
  package let lower: Int
  package let upper: Int

  /// Nil unless 0 <= lower <= upper <= the largest UDP payload.
  package init?(_ lower: Int, _ upper: Int) {
    guard lower >= 0, lower <= upper, upper <= PayloadPattern.datagramSizeMax else { return nil }
    self.lower = lower
    self.upper = upper
  }

  /// Parses `N` or `N-M`; nil for anything else.
  package init?(_ text: String) {
    let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { end in
      end.allSatisfy { $0.isASCII && $0.isNumber } ? Int(end) : nil
    }
    guard let first = ends.first, let lower = first, let last = ends.last, let upper = last, ends.count <= 2
    else { return nil }
    self.init(lower, upper)
  }

  package var count: Int { upper - lower + 1 }

  /// A size of the range, each as likely as the others.
  @inline(__always)
  package func draw(_ random: inout RandomSource) -> Int {
    lower == upper ? lower : lower + Int(random.next(below: UInt32(count)))
  }
}

extension SizeRange: CustomStringConvertible {
  package var description: String { lower == upper ? "\(lower)" : "\(lower)-\(upper)" }
}
