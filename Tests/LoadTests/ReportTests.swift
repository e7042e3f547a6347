import LoadModel
import Testing

@Suite("Reports")
struct ReportTests {
  @Test("Numbers are grouped and rounded")
  func figures() {
    #expect(Figures.decimal(1234567.891, places: 2) == "1 234 567.89")
    #expect(Figures.decimal(0.005, places: 1) == "0.0")
    #expect(Figures.decimal(0.05, places: 1) == "0.1")
    #expect(Figures.decimal(9.999, places: 2) == "10.00")
    #expect(Figures.decimal(-1.5, places: 1) == "-1.5")
    #expect(Figures.decimal(2.05, places: 2) == "2.05")
    #expect(Figures.decimal(.nan, places: 1) == "-")
    #expect(Figures.grouped(0) == "0")
    #expect(Figures.grouped(999) == "999")
    #expect(Figures.grouped(1_000) == "1 000")
    #expect(Figures.grouped(.max) == "18 446 744 073 709 551 615")
    #expect(Figures.quantity(1, "flow") == "1 flow")
    #expect(Figures.quantity(2_000, "flow") == "2 000 flows")
    #expect(Figures.bitRate(2.761e9) == "2.76 Gbit/s")
    #expect(Figures.bitRate(400e6) == "400.0 Mbit/s")
    #expect(Figures.byteCount(1_500) == "1.5 kB")
    #expect(Figures.byteCount(12) == "12 B")
    #expect(Figures.percent(1, of: 3) == 33.3333)
    #expect(Figures.percent(1, of: 0) == 0)
    #expect(Figures.rate(10, over: 0) == 0)
  }

  @Test("Sizes are listed as ranges")
  func ranges() {
    #expect(SweepReport.ranges([]) == "")
    #expect(SweepReport.ranges([4]) == "4")
    #expect(SweepReport.ranges([1, 2, 3, 7, 9, 10]) == "1-3, 7, 9-10")
  }

  @Test("A report is one line of JSON that reads back as it was")
  func roundTrip() throws {
    var report = SendReport(run: 9, flows: 2, sent: 100, bytes: 140_000, durationSeconds: 0.5)
    report.perFlow = [.init(flow: 0), .init(flow: 1)]
    report.echo = ArrivalReport(FlowLedger(verification: .full))
    let text = try JSONText.encode(report)
    #expect(!text.contains("\n"))
    #expect(text.contains("\"bitsPerSecond\":2240000,"))
    #expect(try JSONText.decode(SendReport.self, from: Array(text.utf8)) == report)
  }

  @Test("What is not a report is refused")
  func notAReport() {
    #expect(throws: (any Error).self) { try JSONText.decode(SendReport.self, from: Array("{}".utf8)) }
    #expect(throws: (any Error).self) { try JSONText.decode(SendReport.self, from: []) }
  }

  @Test("A sweep is clean only when everything came back intact")
  func clean() {
    var report = SweepReport()
    report.sent = 2
    report.intact = 1
    #expect(!report.isClean)
    report.intact = 2
    #expect(report.isClean)
    report.corrupt = 1
    #expect(!report.isClean)
  }

  @Test("Reports name what they found in plain words")
  func text() {
    var send = SendReport(run: 9, flows: 1, sent: 1_000, bytes: 1_400_000, durationSeconds: 2)
    send.refused = 3
    #expect(
      send.description == """
        sent 1 000 datagrams in 1 flow (1.4 MB) in 2.00 s: 5.6 Mbit/s, 500 datagrams/s
        3 sends refused: nobody listens there, or no route
        """)
  }
}
