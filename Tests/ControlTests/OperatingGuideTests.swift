import DataPlane
import Glibc
import Telemetry
import Testing

@testable import Control

/// docs/OPERATING.md explains what operators read in the table of counters: all of it, and nothing else.
@Suite struct OperatingGuideTests {
  @Test func everyCounterHasItsRowInTheGuide() throws {
    let counters = Counter.allCases.map(\.name) + ["flows open", "rules restored"]
    #expect(try rows(below: "### Counters") == counters.sorted())
  }

  @Test func everyDropReasonHasItsRowInTheGuide() throws {
    #expect(try rows(below: "### Drop reasons") == DropReason.allCases.map(\.name).sorted())
  }

  @Test func everyMetricHasItsRowInTheGuide() throws {
    #expect(try rows(below: "### Metrics") == Metric.all.map(\.name).sorted())
    let guide = try guide()
    for metric in Metric.all {
      let row = guide.first { $0.hasPrefix("| `\(metric.name)` |") }?.split(separator: " | ").map(String.init)
      #expect(row?[1] == metric.kind.rawValue)
      #expect(row?.last == metric.help + " |")
    }
  }

  @Test func theGuideNamesEveryRowOfTheTable() throws {
    let table = StatisticsTable([StatisticsSnapshot()]).description.split(separator: "\n").dropFirst()
    let titles = table.map { $0.drop { $0 == " " }.split(separator: "  ")[0] }.filter { $0 != "dropped:" }
    let documented = try rows(below: "### Counters") + rows(below: "### Drop reasons")
    #expect(titles.map(String.init).sorted() == documented.sorted())
  }

  /// What stands in backquotes in the first column of the tables between a heading and the next, sorted.
  private func rows(below heading: String) throws -> [String] {
    let section = try guide().drop { $0 != heading }.dropFirst().prefix { !$0.hasPrefix("#") }
    try #require(!section.isEmpty, "docs/OPERATING.md has no section '\(heading)'")
    return section.filter { $0.hasPrefix("| `") }
      .map { String($0.dropFirst(3).prefix { $0 != "`" }) }.sorted()
  }

  private func guide() throws -> [String] {
    let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    return String(decoding: try TextFile.read("/\(root)/docs/OPERATING.md"), as: UTF8.self)
      .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
  }
}
