internal import DataPlane
internal import Telemetry

/// All counters as a table: a column for the sum, and one for each worker when there are several.
struct StatisticsTable: CustomStringConvertible {
  private let columns: [(title: String, values: StatisticsSnapshot)]
  private let restorations: UInt64

  /// What stands above the counters' names.
  private let title: String

  /// `restorations`: how often the firewall's rules had to be put back.
  init(_ workers: [StatisticsSnapshot], title: String = "", restorations: UInt64 = 0) {
    self.title = title
    self.restorations = restorations
    let sum = (title: "all", values: workers.reduce(StatisticsSnapshot(), +))
    guard workers.count > 1 else {
      columns = [sum]
      return
    }
    columns = [sum] + workers.enumerated().map { (title: "worker \($0)", values: $1) }
  }

  var description: String {
    var rows = [Row(title: title, cells: columns.map(\.title))]
    for counter in Counter.allCases {
      rows.append(Row(title: counter.name, cells: columns.map { String($0.values[counter]) }))
    }
    rows.append(
      Row(title: "flows open", cells: columns.map { String($0.values.flowsOpen) }))
    rows.append(Row(title: "rules restored", cells: [String(restorations)], isHighlighted: restorations > 0))
    rows.append(Row(title: "dropped:", cells: []))
    for reason in DropReason.allCases {
      rows.append(
        Row(
          title: "  " + reason.name, cells: columns.map { String($0.values[reason]) },
          isHighlighted: columns[0].values[reason] > 0))
    }
    return Self.aligned(rows)
  }

  private struct Row {
    var title: String
    var cells: [String]
    /// Marked with an exclamation mark at the left margin.
    var isHighlighted = false
  }

  private static func aligned(_ rows: [Row]) -> String {
    let titleWidth = rows.map(\.title.count).max() ?? 0
    let cellWidth = max(12, rows.flatMap(\.cells).map(\.count).max() ?? 0)
    return rows.map { row in
      let title = row.title + String(repeating: " ", count: titleWidth - row.title.count)
      let cells = row.cells.map { String(repeating: " ", count: cellWidth - $0.count) + $0 }
      let line = ([(row.isHighlighted ? "! " : "  ") + title] + cells).joined(separator: " ")
      return String(line.reversed().drop { $0 == " " }.reversed()) + "\n"
    }.joined()
  }
}
