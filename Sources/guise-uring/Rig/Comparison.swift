internal import LoadModel

/// Contenders measured against each other under one load.
struct Comparison: Codable {
  struct Row: Codable {
    let contender: String
    /// Why there are no figures: what the running kernel said.
    var unsupported: String?
    /// CPU and wall time of one operation in nanoseconds.
    var cpu: Spread?
    var wall: Spread?
    /// CPU time relative to the first contender, within rounds.
    var ratio: Spread?
    /// Medians.
    var figures: [Figure] = []
  }

  let load: String
  /// What an operation is ("packet").
  let unit: String
  var rows: [Row]

  /// A Markdown table whose columns line up.
  var table: String {
    let extra = rows.first { !$0.figures.isEmpty }?.figures.map(\.name) ?? []
    let heads =
      [load, "CPU, ns/\(unit)", "least…most", "ratio", "least…most", "time, ns/\(unit)"] + extra
    let lines = rows.map { row in
      guard let cpu = row.cpu, let wall = row.wall, let ratio = row.ratio else {
        return [row.contender, "not supported here: \(row.unsupported ?? "")"]
      }
      return [
        row.contender, Self.text(cpu.median), "\(Self.text(cpu.min))…\(Self.text(cpu.max))",
        Figures.decimal(ratio.median, places: 2),
        "\(Figures.decimal(ratio.min, places: 2))…\(Figures.decimal(ratio.max, places: 2))",
        Self.text(wall.median),
      ] + row.figures.map { Self.text($0.value) }
    }
    return Self.aligned([heads] + lines)
  }

  private static func text(_ value: Double) -> String {
    Figures.decimal(value, places: value < 10 ? 2 : value < 100 ? 1 : 0)
  }

  private static func aligned(_ lines: [[String]]) -> String {
    let widths = lines[0].indices.map { column in
      lines.filter { $0.count == lines[0].count }.map { $0[column].count }.max() ?? 0
    }
    var texts = lines.map { line in
      let cells = line.enumerated().map { column, cell in
        cell + String(repeating: " ", count: max(0, widths[column] - cell.count))
      }
      let missing = repeatElement(" ", count: widths.count - line.count)
      return "| " + (cells + missing).joined(separator: " | ") + " |"
    }
    texts.insert(
      "|" + widths.map { String(repeating: "-", count: $0 + 2) }.joined(separator: "|") + "|", at: 1)
    return texts.joined(separator: "\n")
  }
}
