import Testing

@testable import Telemetry

/// What `guise top` shows.
@Suite struct TopFrameTests {
  private func frame(
    _ watches: [ProcessWatch], order: FlowOrder = .port, now: Double = 20, columns: Int = 120,
    rows: Int? = nil
  ) -> [String] {
    TopFrame(
      watches, order: order, now: now, hint: "q quits",
      on: .init(columns: columns, rows: rows, isUnicode: true)
    ).lines.map { $0.rendered(columns: columns, isColoured: false) }
  }

  private func watch(_ looks: [ProcessWatch.Look], name: String = "guise0") -> ProcessWatch {
    var watch = ProcessWatch(name: name)
    for look in looks { watch.note(look) }
    return watch
  }

  @Test func `a tunnel is shown with its ends, its firewall, its workers, its drops and its flows`() {
    let lines = frame([
      watch([
        Reports.look(at: 10, [Reports.report(drops: ["bad-flags": 5])]),
        Reports.look(
          at: 12, [Reports.report(bytesIn: 1_000_000, workers: 2, drops: ["bad-flags": 9, "fragment": 70])],
          flows: [Reports.flow(port: 40_001)], moments: [1, 2, 4].map(Reports.moment)),
      ])
    ])
    #expect(lines[0] == "guise  1 tunnel, in 8 Mbit/s, out 0 bit/s, drops 0/s")
    #expect(lines[2] == "guise0  client, epoll, healthy, up 1 min 30 s, process 7")
    #expect(lines[3] == "  UDP 127.0.0.1:1234 -> TCP 192.0.2.1:4567, MTU 1500")
    #expect(lines[4] == "  firewall  table guise_guise0, there, masquerade")
    #expect(lines[5] == "  flows     1 of 100")
    #expect(lines[6].hasPrefix("  in           8 Mbit/s ") && lines[6].hasSuffix(" ▃▅█"))
    #expect(lines[6].count == 120)
    #expect(lines[8].contains("worker") && lines[9].hasPrefix("  0") && lines[10].hasPrefix("  1"))
    #expect(lines[11] == "  drops     fragment 70 (35/s), bad-flags 9 (2/s)")
    #expect(lines[13] == "1 flow, by port   q quits")
    #expect(lines[14].hasPrefix(" PORT  REMOTE"))
    #expect(lines[15].hasPrefix("40001  192.0.2.1:4567  127.0.0.1:5000  established"))
    #expect(lines.count == 16)
  }

  @Test func `what is wrong is in the colour of alarm`() {
    let watch = watch([
      Reports.look(
        at: 10,
        [
          Reports.report(
            isHealthy: false,
            firewall: FirewallReport(table: "t", translation: "masquerade", isInstalled: false))
        ])
    ])
    let frame = TopFrame([watch], order: .rate, now: 10, on: .init(columns: 80, rows: 24, isUnicode: true))
    let text = frame.lines.map { $0.rendered(columns: 80, isColoured: true) }.joined(separator: "\n")
    #expect(text.contains("\u{1b}[1;31mNOT WELL\u{1b}[0m"))
    #expect(text.contains("\u{1b}[1;31mtable t, GONE, masquerade\u{1b}[0m"))
  }

  @Test func `what programs at tc do is told, as the process that has them writes it`() throws {
    var report = FirewallReport(
      translation: "IPv4 as 192.0.2.1 at tc on eth0", isInstalled: true, tcPackets: 12, tcStrays: 0)
    func text() throws -> String {
      StatusText.firewall(try #require(JSON.decode(FirewallReport.self, JSON.encode(report))))
    }
    #expect(try text() == "IPv4 as 192.0.2.1 at tc on eth0, 12 packets at tc")
    (report.isInstalled, report.tcStrays) = (false, 3)
    #expect(try text() == "IPv4 as 192.0.2.1 at tc on eth0, GONE, 12 packets at tc, 3 strays dropped")
    #expect(StatusText.firewall(FirewallReport()) == "left alone")
  }

  @Test func `a tunnel that ended is shown as such, and as ever when it is back`() {
    var gone = watch([Reports.look(at: 10, flows: [Reports.flow(port: 40_001)])])
    gone.note(.dead, at: 12)
    let lines = frame([
      gone, watch([Reports.look(at: 11, [Reports.report(Reports.tunnel("guise1"))])], name: "guise1"),
    ])
    #expect(lines[0].hasPrefix("guise  1 tunnel,"))
    #expect(lines[2] == "guise0  ENDED 8 s ago; it is shown again when it is back")
    #expect(lines[4].hasPrefix("guise1  client"))
    #expect(!lines.contains { $0.contains("40001") })
    gone.note(Reports.look(at: 13, flows: [Reports.flow(port: 40_002)]))
    #expect(frame([gone])[2].hasPrefix("guise0  client") && frame([gone]).last!.hasPrefix("40002"))
    gone.note(.refused(errno: 11), at: 14)
    #expect(frame([gone])[2].hasPrefix("guise0  NO ANSWER: the process does not answer"))
  }

  @Test func `nothing is wider or longer than the terminal, whatever that is`() {
    let flows = (0..<200).map { Reports.flow(port: 40_000 + $0) }
    let watches = [
      watch([Reports.look(at: 10, [Reports.report(flowsOpen: 200, workers: 8)], flows: flows)])
    ]
    for columns in [1, 10, 40, 80, 200] {
      for rows in [1, 5, 24, 60, 300] {
        let lines = frame(watches, columns: columns, rows: rows)
        #expect(lines.count <= rows && lines.allSatisfy { $0.count <= columns }, "\(columns) x \(rows)")
      }
    }
    let lines = frame(watches, rows: 40)
    #expect(lines.count == 40 && lines.last == "and 182 more")
    #expect(frame(watches, rows: 300).count < 300 && frame(watches).last!.hasPrefix("40199"))
  }

  @Test func `flows come in the order that was asked for, those of all tunnels together`() {
    let watches = [
      watch([Reports.look(at: 10, flows: [Reports.flow(port: 3), Reports.flow(port: 1)])]),
      watch(
        [
          Reports.look(
            at: 10, [Reports.report(Reports.tunnel("guise1"))],
            flows: [Reports.flow(port: 2, silent: 9, tunnel: "guise1")])
        ], name: "guise1"),
    ]
    func rows(_ order: FlowOrder) -> [String] {
      frame(watches, order: order).suffix(3).map { String($0.prefix(12)) }
    }
    #expect(rows(.port) == ["guise0     1", "guise1     2", "guise0     3"])
    #expect(rows(.silent) == ["guise1     2", "guise0     1", "guise0     3"])
  }

  @Test func `where not all flows were looked at, it says so`() {
    let lines = frame([
      watch([Reports.look(at: 10, [Reports.report(flowsOpen: 18_000)], flows: [Reports.flow(port: 1)])])
    ])
    #expect(lines.contains("18000 flows, 1 of them looked at, by port   q quits"))
  }
}
