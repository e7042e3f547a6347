/// Numbers of CPUs in the kernel's list format (cpuset(7)), `0-3,8`, in the order in which they stand there.
package struct CPUList: Hashable, Sendable, CustomStringConvertible {
  package let cpus: [Int]

  /// CPU_SETSIZE - 1: what sched_setaffinity(2) takes with glibc's `cpu_set_t`.
  private static let numberMax = 1_023

  package struct Malformed: Error, Equatable, CustomStringConvertible {
    package let description: String
  }

  init(_ cpus: [Int]) { self.cpus = cpus }

  /// Parses numbers and ranges with commas between them. No CPU may stand there twice.
  package init(_ text: String) throws(Malformed) {
    var cpus: [Int] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let range = try Self.range(part)
      if let twice = range.first(where: cpus.contains) {
        throw Malformed(description: "CPU \(twice) is named twice")
      }
      cpus += range
    }
    self.cpus = cpus
  }

  private static func range(_ text: Substring) throws(Malformed) -> ClosedRange<Int> {
    let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { number($0) }
    switch ends.count {
    case 1: if let only = ends[0] { return only...only }
    case 2: if let first = ends[0], let last = ends[1], first <= last { return first...last }
    default: break
    }
    throw Malformed(
      description:
        "'\(text)' is neither a CPU nor a range of them: write numbers up to \(numberMax), as in 0-3,8")
  }

  private static func number(_ text: Substring) -> Int? {
    guard !text.isEmpty, text.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }),
      let number = Int(text), number <= numberMax
    else { return nil }
    return number
  }

  /// The same format, with neighbours that follow each other joined.
  package var description: String {
    var ranges: [ClosedRange<Int>] = []
    for cpu in cpus {
      if let last = ranges.last, last.upperBound + 1 == cpu {
        ranges[ranges.count - 1] = last.lowerBound...cpu
      } else {
        ranges.append(cpu...cpu)
      }
    }
    return ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
      .joined(separator: ",")
  }
}
