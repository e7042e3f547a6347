/// What `guise top` shows at one moment: tunnels, and below them as many flows as there is room for. Pure.
package struct TopFrame {
  /// What it is drawn for.
  package struct Paper: Sendable {
    package var columns: Int
    /// nil where there is no end.
    package var rows: Int?
    package var isUnicode: Bool

    package init(columns: Int, rows: Int?, isUnicode: Bool) {
      self.columns = columns
      self.rows = rows
      self.isUnicode = isUnicode
    }
  }

  package private(set) var lines: [StyledLine] = []
  private let paper: Paper

  /// `now`: on the clock of the looks, in seconds. `hint`: what the last line says besides, such as the keys.
  package init(
    _ processes: [ProcessWatch], order: FlowOrder, now: Double, hint: String = "", on paper: Paper
  ) {
    self.paper = paper
    add(summary: processes)
    for process in processes { add(process, now: now) }
    add(
      flows: order.sort(processes.flatMap(\.flows)), open: processes.reduce(0) { $0 + Self.flowsOpen($1) },
      order, hint)
    // What no longer fits must not scroll what is above it away.
    if let rows = paper.rows { lines = Array(lines.prefix(rows)) }
  }

  private static func flowsOpen(_ process: ProcessWatch) -> Int {
    process.state == .running
      ? process.tunnels.reduce(0) { $0 + min(Int(clamping: $1.report.flowsOpen), Int(Int32.max)) } : 0
  }

  // MARK: - Tunnels

  private mutating func add(summary processes: [ProcessWatch]) {
    let running = processes.filter { $0.state == .running }.flatMap(\.tunnels)
    func sum(_ part: (Rates) -> Double) -> String {
      Figures.bits(running.reduce(0) { $0 + part($1.report.rates) })
    }
    var line = StyledLine("guise", .strong)
    line.add(
      "  \(Figures.count(running.count, "tunnel")), in \(sum(\.bytesIn)), out \(sum(\.bytesOut))"
        + ", drops \(Figures.plain(running.reduce(0) { $0 + $1.report.rates.drops }))/s")
    lines.append(line)
  }

  private mutating func add(_ process: ProcessWatch, now: Double) {
    lines.append("")
    switch process.state {
    case .running: for tunnel in process.tunnels { add(tunnel) }
    case .ended(let moment):
      var line = StyledLine(process.name, .strong)
      line.add("  ")
      line.add("ENDED", .alarm)
      line.add(" \(Figures.duration(now - moment)) ago; it is shown again when it is back", .faint)
      lines.append(line)
    case .unreachable(let reason):
      var line = StyledLine(process.name, .strong)
      line.add("  ")
      line.add("NO ANSWER", .alarm)
      line.add(": \(reason)")
      lines.append(line)
    }
  }

  private mutating func add(_ tunnel: ProcessWatch.Tunnel) {
    let report = tunnel.report
    var heading = StyledLine(report.tunnel.name, .strong)
    heading.add("  \(StatusText.kind(report.tunnel)), ")
    if report.isHealthy { heading.add(StatusText.healthy) } else { heading.add(StatusText.unhealthy, .alarm) }
    heading.add(", \(StatusText.process(report))")
    lines.append(heading)
    lines.append(StyledLine("  \(StatusText.ends(report.tunnel))"))
    let isGone = report.firewall.isInstalled == false
    var firewall: StyledLine = "  firewall  "
    firewall.add(StatusText.firewall(report.firewall), isGone ? .alarm : .plain)
    lines.append(firewall)
    let roundTrip = StatusText.roundTrip(report.roundTrips).map { ", RTT \($0)" } ?? ""
    lines.append(StyledLine("  flows     \(report.flowsOpen) of \(report.tunnel.flowsMax)\(roundTrip)"))
    add(history: tunnel.moments, "in ", report.rates.bytesIn, \.all.bytesIn)
    add(history: tunnel.moments, "out", report.rates.bytesOut, \.all.bytesOut)
    add(workers: report.workers)
    add(drops: tunnel)
  }

  private mutating func add(
    history moments: [History.Moment], _ title: String, _ now: Double, _ part: (History.Moment) -> Double
  ) {
    let figure = Figures.bits(now)
    let label =
      "  \(title)       \(String(repeating: " ", count: max(0, Self.figureColumns - figure.count)))\(figure)  "
    let columns = min(History.countMax, max(0, paper.columns - label.count))
    var line = StyledLine(label)
    line.add(Sparkline(moments.map(part), columns: columns, isUnicode: paper.isUnicode).text)
    lines.append(line)
  }

  private static let figureColumns = "1000 Mbit/s".count

  private mutating func add(workers: [WorkerReport]) {
    let columns: [TextTable.Column] = [
      .init("worker"), .init("cpu", isNumber: true, rank: 4), .init("load", isNumber: true),
      .init("in", isNumber: true), .init("out", isNumber: true), .init("flows", isNumber: true, rank: 1),
      .init("batch", isNumber: true, rank: 2), .init("trains in", isNumber: true, rank: 3),
      .init("out", isNumber: true, rank: 3), .init("hand-offs/s", isNumber: true, rank: 5),
    ]
    let cells = workers.map { worker in
      let rates = worker.rates
      return [
        "\(worker.index)", worker.cpu.map { "\($0)" } ?? "-", Figures.percent(rates.load),
        Figures.bits(rates.bytesIn), Figures.bits(rates.bytesOut), "\(worker.flowsOpen)",
        Figures.plain(rates.batch), Figures.plain(rates.trainIn), Figures.plain(rates.trainOut),
        Figures.plain(rates.handoffs),
      ]
    }
    let table = TextTable(columns, cells, columnsMax: paper.columns - 2)
    lines.append(StyledLine("  \(table.title)", .faint))
    lines += table.rows.map { StyledLine("  \($0)") }
  }

  /// Those that rise come first.
  private mutating func add(drops tunnel: ProcessWatch.Tunnel) {
    let drops = tunnel.report.drops.filter { $0.value > 0 }
      .map { (rate: tunnel.dropRates[$0.key] ?? 0, count: $0.value, name: $0.key) }
      .sorted { ($1.rate, $1.count, $0.name) < ($0.rate, $0.count, $1.name) }
    var line: StyledLine = "  drops     "
    if drops.isEmpty { line.add("none") }
    for (position, drop) in drops.enumerated() {
      if position > 0 { line.add(", ") }
      if drop.rate > 0 {
        line.add("\(drop.name) \(drop.count) (\(Figures.plain(drop.rate))/s)", .warning)
      } else {
        line.add("\(drop.name) \(drop.count)")
      }
    }
    lines.append(line)
  }

  // MARK: - Flows

  private mutating func add(flows: [FlowReport], open: Int, _ order: FlowOrder, _ hint: String) {
    lines.append("")
    let seen = flows.count < open ? ", \(flows.count) of them looked at" : ""
    var heading = StyledLine("\(Figures.count(max(open, flows.count), "flow"))\(seen), by \(order.rawValue)")
    if !hint.isEmpty { heading.add("   \(hint)", .faint) }
    lines.append(heading)
    guard !flows.isEmpty else { return }
    // One row is the table's title.
    let room = paper.rows.map { max(0, $0 - lines.count - 1) } ?? flows.count
    let isCut = flows.count > room
    let shown = flows.prefix(isCut ? max(0, room - 1) : room)
    let table = FlowText(Array(shown), columnsMax: paper.columns).table
    lines.append(StyledLine(table.title, .strong))
    lines += table.rows.map { StyledLine($0) }
    if isCut { lines.append(StyledLine("and \(flows.count - shown.count) more", .faint)) }
  }
}
