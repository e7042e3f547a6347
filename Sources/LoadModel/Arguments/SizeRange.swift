/// Payload sizes in bytes: one (`1400`) or all from the first to the second (`64-1400`).
package struct SizeRange: Equatable, Sendable {
  package let lower: Int
  package let upper: Int

  /// What a sender sends when nothing else is asked for: 1400 bytes, which fit most tunnels.
  package static let typical = SizeRange(lower: 1_400, upper: 1_400)

  /// All that fits one segment of fake TCP over IPv4 at an MTU of 1500: 1-1460 bytes.
  package static let everySize = SizeRange(lower: 1, upper: 1_460)

  private init(lower: Int, upper: Int) {
    self.lower = lower
    self.upper = upper
  }

  /// Nil unless 0 <= lower <= upper <= the largest UDP payload.
  package init?(_ lower: Int, _ upper: Int) {
    guard lower >= 0, lower <= upper, upper <= PayloadPattern.datagramSizeMax else { return nil }
    self.init(lower: lower, upper: upper)
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
