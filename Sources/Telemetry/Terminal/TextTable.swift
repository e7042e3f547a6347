/// Columns of text, each as wide as it must be.
package struct TextTable {
  package struct Column: Sendable {
    package var title: String
    /// Numbers end below each other.
    package var isNumber: Bool
    /// Where not all columns fit, those with the largest number go first.
    package var rank: Int

    package init(_ title: String, isNumber: Bool = false, rank: Int = 0) {
      self.title = title
      self.isNumber = isNumber
      self.rank = rank
    }
  }

  package let title: String
  package let rows: [String]

  private static let gap = 2

  /// Each row has a cell for each column. `columnsMax`: what the terminal has, nil where there is no end.
  package init(_ columns: [Column], _ rows: [[String]], columnsMax: Int? = nil) {
    let rows = rows.map { $0.map(\.printable) }
    let widths = columns.indices.map { index in
      rows.reduce(columns[index].title.count) { max($0, $1[index].count) }
    }
    var shown = Array(columns.indices)
    func width() -> Int { shown.reduce(0) { $0 + widths[$1] + Self.gap } - Self.gap }
    while let columnsMax, width() > columnsMax,
      let last = shown.max(by: { columns[$0].rank < columns[$1].rank }),
      columns[last].rank > 0
    {
      shown.removeAll { $0 == last }
    }
    func line(_ cells: [String]) -> String {
      let padded = shown.map { index in
        let padding = String(repeating: " ", count: widths[index] - cells[index].count)
        return columns[index].isNumber ? padding + cells[index] : cells[index] + padding
      }
      let line = padded.joined(separator: String(repeating: " ", count: Self.gap))
      return String(line[..<(line.lastIndex { $0 != " " }.map(line.index(after:)) ?? line.startIndex)])
    }
    title = line(columns.map(\.title))
    self.rows = rows.map(line)
  }
}
