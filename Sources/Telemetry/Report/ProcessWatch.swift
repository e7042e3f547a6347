/// A process as it is looked at again and again: how it stands, and what differs from the look before.
package struct ProcessWatch: Sendable {
  /// What one look brought.
  package struct Look: Sendable {
    /// Seconds on a clock that only goes forward.
    package var time: Double
    package var tunnels: [TunnelReport]
    package var history: [HistoryReport.Tunnel]
    package var flows: [FlowReport]

    package init(
      time: Double, tunnels: [TunnelReport], history: [HistoryReport.Tunnel], flows: [FlowReport]
    ) {
      self.time = time
      self.tunnels = tunnels
      self.history = history
      self.flows = flows
    }
  }

  /// A tunnel with what led there.
  package struct Tunnel: Sendable {
    package var report: TunnelReport
    package var moments: [History.Moment]
    /// Drops a second since the look before, of the reasons that there were any of.
    package var dropRates: [String: Double]
  }

  package enum State: Sendable, Equatable {
    case running
    /// Since when, on the looks' clock. What it was is still known.
    case ended(at: Double)
    /// It is there, and something is in the way.
    case unreachable(String)
  }

  /// The tunnel's device.
  package let name: String
  package private(set) var state = State.running
  package private(set) var tunnels: [Tunnel] = []
  /// With rates, where the look before had them too.
  package private(set) var flows: [FlowReport] = []
  private var last: Look?

  package init(name: String) { self.name = name }

  package mutating func note(_ look: Look) {
    let seconds = last.map { look.time - $0.time } ?? 0
    tunnels = look.tunnels.map { report in
      Tunnel(
        report: report, moments: look.history.first { $0.name == report.tunnel.name }?.moments ?? [],
        dropRates: dropRates(of: report, seconds: seconds))
    }
    flows = look.flows
    flows.compare(with: last?.flows ?? [], seconds: seconds)
    state = .running
    last = look
  }

  package mutating func note(_ failure: ControlClient.Failure, at time: Double) {
    flows = []
    guard failure == .dead else {
      state = .unreachable(failure.text)
      return
    }
    if case .ended = state { return }
    state = .ended(at: time)
  }

  /// A process that has started again counts from 0.
  private func dropRates(of report: TunnelReport, seconds: Double) -> [String: Double] {
    guard seconds > 0, let old = last?.tunnels.first(where: { $0.tunnel == report.tunnel }) else {
      return [:]
    }
    return report.drops.reduce(into: [:]) { rates, drop in
      let before = old.drops[drop.key] ?? 0
      if drop.value > before { rates[drop.key] = Double(drop.value - before) / seconds }
    }
  }
}
