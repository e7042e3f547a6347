import Testing

@testable import Telemetry

/// The parts that pictures are made of.
@Suite struct TerminalTextTests {
  @Test func `bars are as high as values, and the last is at the right`() {
    #expect(Sparkline([0, 1, 50, 100], columns: 6).text == "  ▁▂▅█")
    #expect(Sparkline([1, 2, 3, 4], columns: 2).text == "▇█")
    #expect(Sparkline([], columns: 3).text == "   ")
    #expect(Sparkline([0, 0], columns: 2).text == "▁▁", "nothing at all has no highest bar")
    #expect(Sparkline([0, 100], columns: 2, isUnicode: false).text == "_#")
    #expect(Sparkline([1, 2], columns: 0).text == "")
  }

  private static let columns: [TextTable.Column] = [
    .init("NAME"), .init("SIZE", isNumber: true, rank: 1), .init("NOTE", rank: 2),
  ]

  @Test func `columns are as wide as what is in them, and numbers end below each other`() {
    let table = TextTable(Self.columns, [["a", "10000", "x"], ["longer", "2", ""]])
    #expect(table.title == "NAME     SIZE  NOTE")
    #expect(table.rows == ["a       10000  x", "longer      2"])
  }

  @Test func `where there is no room, the least important columns go first, and those of rank 0 stay`() {
    let rows = [["longer", "10000", "note"]]
    #expect(TextTable(Self.columns, rows, columnsMax: 19).title == "NAME     SIZE  NOTE")
    #expect(TextTable(Self.columns, rows, columnsMax: 18).title == "NAME     SIZE")
    #expect(TextTable(Self.columns, rows, columnsMax: 3).rows == ["longer"])
  }

  /// An unprivileged user's processes answer root's `guise top`.
  @Test func `figures of any size and text that a terminal would act on do no harm`() {
    #expect(Figures.plain(1e300) == "\(Int.max)" && Figures.plain(-1e300) == "\(Int.min)")
    #expect(Figures.percent(1e300) == "\(Int.max) %")
    #expect(Figures.duration(1e300).hasSuffix(" h") && Figures.duration(-1e300) == "0 s")
    #expect(Figures.bits(.greatestFiniteMagnitude).hasSuffix(" Gbit/s"))
    let text = "a\u{1b}]0;x\u{7}b\u{9b}2J\u{202e}\n"
    let shown = "a?]0;x?b?2J??"
    #expect(StyledLine(text).plain == shown)
    #expect(TextTable([.init("NAME")], [[text]]).rows == [shown])
    #expect("häufig 試 e\u{301}".printable == "häufig 試 e\u{301}")
  }

  @Test func `a line is cut where its terminal ends, whatever its colours`() {
    var line = StyledLine("abc", .strong)
    line.add("def")
    line.add("ghi", .alarm)
    #expect(line.plain == "abcdefghi")
    #expect(line.rendered(columns: 5, isColoured: false) == "abcde")
    #expect(line.rendered(columns: 5, isColoured: true) == "\u{1b}[1mabc\u{1b}[0mde")
    #expect(line.rendered(columns: 100, isColoured: true).hasSuffix("\u{1b}[1;31mghi\u{1b}[0m"))
  }
}
