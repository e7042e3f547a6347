/// A tunnel's report for people.
package struct StatusText {
  package let text: String

  package init(_ report: TunnelReport) {
    let tunnel = report.tunnel
    var lines = [
      "\(tunnel.name)  \(Self.kind(tunnel)), \(report.isHealthy ? Self.healthy : Self.unhealthy), "
        + Self.process(report),
      "  \(Self.ends(tunnel))",
      "  firewall  \(Self.firewall(report.firewall))",
      "  flows     \(report.flowsOpen) of \(tunnel.flowsMax)",
      "  traffic   in \(Figures.bits(report.rates.bytesIn)), out \(Figures.bits(report.rates.bytesOut))",
    ]
    if let roundTrip = Self.roundTrip(report.roundTrips) { lines.append("  RTT       \(roundTrip)") }
    for worker in report.workers {
      let rates = worker.rates
      lines.append(
        "  worker \(worker.index)  load \(Self.load(rates)), in \(Figures.bits(rates.bytesIn)), "
          + "out \(Figures.bits(rates.bytesOut)), flows \(worker.flowsOpen), trains \(Figures.plain(rates.trainIn)) "
          + "in and \(Figures.plain(rates.trainOut)) out, batch \(Figures.plain(rates.batch)), "
          + "hand-offs \(Figures.plain(rates.handoffs))/s")
    }
    let drops = report.drops.filter { $0.value > 0 }.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
    let list = drops.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
    lines.append("  drops     \(list.isEmpty ? "none" : list)")
    text = lines.map { $0.printable + "\n" }.joined()
  }

  static let healthy = "healthy"
  static let unhealthy = "NOT WELL"

  static func kind(_ tunnel: TunnelDescription) -> String { "\(tunnel.role), \(tunnel.engine)" }

  /// What the work takes, and what looking for more of it takes where a conversation makes it look.
  static func load(_ rates: Rates) -> String {
    let polling = rates.polling ?? 0
    return Figures.percent(rates.load) + (polling >= 0.005 ? " and \(Figures.percent(polling)) polling" : "")
  }

  static func process(_ report: TunnelReport) -> String {
    "up \(Figures.duration(report.uptimeSeconds)), process \(report.tunnel.process)"
  }

  static func ends(_ tunnel: TunnelDescription) -> String {
    let (from, to) = tunnel.role == "client" ? ("UDP", "TCP") : ("TCP", "UDP")
    return
      "\(from) \(tunnel.listen) -> \(to) \(tunnel.remotes.joined(separator: ", else ")), MTU \(tunnel.mtu)"
  }

  static func roundTrip(_ report: RoundTripReport) -> String? {
    guard let mean = report.keepaliveMean ?? report.handshakeMean else { return nil }
    return "\(Figures.plain(mean)) ms, mean of \(report.keepaliveMean == nil ? "handshakes" : "keepalives")"
  }

  static func firewall(_ report: FirewallReport) -> String {
    guard let translation = report.translation else { return "left alone" }
    var parts = [translation]
    if let table = report.table {
      parts = [
        "table \(table)", report.isInstalled.map { $0 ? "there" : "GONE" } ?? "not looked at yet",
        translation,
      ]
    } else if report.isInstalled == false {
      parts.append("GONE")
    }
    if let packets = report.tcPackets { parts.append("\(packets) packets at tc") }
    if let strays = report.tcStrays, strays > 0 { parts.append("\(strays) strays dropped") }
    if let invalid = report.invalidPackets { parts.append("\(invalid) packets invalid") }
    return parts.joined(separator: ", ")
  }
}
