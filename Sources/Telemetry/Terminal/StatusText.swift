/// A tunnel's report for people.
package struct StatusText {
  package let text: String

  package init(_ report: TunnelReport) {
    let tunnel = report.tunnel
    let (from, to) = tunnel.role == "client" ? ("UDP", "TCP") : ("TCP", "UDP")
    var lines = [
      "\(tunnel.name)  \(tunnel.role), \(tunnel.engine), \(report.isHealthy ? "healthy" : "NOT WELL"), "
        + "up \(Figures.duration(report.uptimeSeconds)), process \(tunnel.process)",
      "  \(from) \(tunnel.listen) -> \(to) \(tunnel.remotes.joined(separator: ", else ")), MTU \(tunnel.mtu)",
      "  firewall  \(Self.firewall(report.firewall))",
      "  flows     \(report.flowsOpen) of \(tunnel.flowsMax)",
      "  traffic   in \(Figures.bits(report.rates.bytesIn)), out \(Figures.bits(report.rates.bytesOut))",
    ]
    if let mean = report.roundTrips.keepaliveMean ?? report.roundTrips.handshakeMean {
      lines.append(
        "  RTT       \(Figures.plain(mean)) ms, mean of \(report.roundTrips.keepaliveMean == nil ? "handshakes" : "keepalives")"
      )
    }
    for worker in report.workers {
      let rates = worker.rates
      lines.append(
        "  worker \(worker.index)  load \(Figures.percent(rates.load)), in \(Figures.bits(rates.bytesIn)), "
          + "out \(Figures.bits(rates.bytesOut)), flows \(worker.flowsOpen), trains \(Figures.plain(rates.trainIn)) "
          + "in and \(Figures.plain(rates.trainOut)) out, batch \(Figures.plain(rates.batch)), "
          + "hand-offs \(Figures.plain(rates.handoffs))/s")
    }
    let drops = report.drops.filter { $0.value > 0 }.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
    let list = drops.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
    lines.append("  drops     \(list.isEmpty ? "none" : list)")
    text = lines.map { $0 + "\n" }.joined()
  }

  private static func firewall(_ report: FirewallReport) -> String {
    guard let table = report.table else { return "left alone" }
    let state = report.isInstalled.map { $0 ? "there" : "GONE" } ?? "not looked at yet"
    return "table inet \(table), \(state), \(report.translation ?? "")"
      + (report.invalidPackets.map { ", \($0) packets invalid" } ?? "")
  }
}

/// Numbers as people read them.
package enum Figures {
  /// Of bytes a second.
  package static func bits(_ bytes: Double) -> String {
    var (value, unit) = (8 * bytes, 0)
    let units = ["bit/s", "kbit/s", "Mbit/s", "Gbit/s"]
    while value >= 1_000, unit < units.count - 1 { (value, unit) = (value / 1_000, unit + 1) }
    return "\(plain(value)) \(units[unit])"
  }

  /// Three places or so; a dash where there is nothing to tell.
  package static func plain(_ value: Double?) -> String {
    guard let value else { return "-" }
    if value >= 100 || value == value.rounded() { return "\(Int(value.rounded()))" }
    let factor = value >= 10 ? 10.0 : 100.0
    return "\((value * factor).rounded() / factor)"
  }

  package static func percent(_ value: Double) -> String { "\(Int((100 * value).rounded())) %" }

  package static func duration(_ seconds: Double) -> String {
    let whole = max(0, Int(seconds))
    let (days, hours, minutes) = (whole / 86_400, whole / 3_600 % 24, whole / 60 % 60)
    if days > 0 { return "\(days) d \(hours) h" }
    if hours > 0 { return "\(hours) h \(minutes) min" }
    return minutes > 0 ? "\(minutes) min \(whole % 60) s" : "\(whole) s"
  }
}
