/// A row of bars, one for each value, the last at the right; the highest value has the highest bar.
package struct Sparkline {
  package let text: String

  private static let blocks = Array("▁▂▃▄▅▆▇█")
  /// For terminals that know no other characters.
  private static let marks = Array("_.-:=+*#")

  /// The last values that fit; `columns` wide where there are fewer.
  package init(_ values: [Double], columns: Int, isUnicode: Bool = true) {
    let shown = values.suffix(max(0, columns))
    let bars = isUnicode ? Self.blocks : Self.marks
    let top = shown.max() ?? 0
    let row = shown.map { value in
      // Only nothing at all has the lowest bar.
      guard top > 0, value > 0 else { return bars[0] }
      return bars[min(bars.count - 1, 1 + Int(value / top * Double(bars.count - 1)))]
    }
    text = String(repeating: " ", count: max(0, columns - row.count)) + String(row)
  }
}
