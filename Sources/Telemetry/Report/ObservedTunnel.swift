package import DataPlane
internal import Glibc
internal import Synchronization

/// A running tunnel, for those who look at it. Thread-safe.
package final class ObservedTunnel: Sendable {
  package let tunnel: TunnelDescription
  let gateway: Gateway
  private let state = Mutex(State())

  private struct State {
    var history = History()
    var firewall = FirewallReport()
    /// When the supervisor last showed that it runs.
    var supervisedAt = ContinuousClock.now
    var isLookedAt = true
  }

  /// How long the supervisor may be busy with the host.
  private static let supervisionMax = Duration.seconds(30)

  package init(_ tunnel: TunnelDescription, _ gateway: Gateway) {
    self.tunnel = tunnel
    self.gateway = gateway
  }

  // MARK: - The supervisor

  /// Shows that the supervisor runs. Whether anybody has looked since the firewall was last noted.
  package func noteSupervision() -> Bool {
    state.withLock { state in
      state.supervisedAt = .now
      return state.isLookedAt
    }
  }

  package func note(_ firewall: FirewallReport) {
    state.withLock { state in
      state.firewall = firewall
      state.isLookedAt = false
    }
  }

  /// Notes what has changed in it; what it does not say stays as it was last looked at.
  package func renew(_ firewall: FirewallReport) {
    state.withLock { state in
      var next = firewall
      next.isInstalled = firewall.isInstalled ?? state.firewall.isInstalled
      next.invalidPackets = firewall.invalidPackets ?? state.firewall.invalidPackets
      state.firewall = next
    }
  }

  // MARK: - Those who look

  package static func unixTime() -> Double {
    var time = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  /// Takes the counters to the history; once a second.
  func sample() {
    let reading = History.Reading(
      time: Self.unixTime(), counters: gateway.statistics(), processorSeconds: gateway.processorSeconds())
    state.withLock { $0.history.add(reading) }
  }

  var history: [History.Moment] { state.withLock { $0.history.moments } }

  var firewall: FirewallReport {
    state.withLock { state in
      state.isLookedAt = true
      return state.firewall
    }
  }

  /// Why the tunnel is not well; nil when it is.
  func complaint() -> String? {
    if let failure = gateway.failure { return "a worker has ended: \(failure)" }
    let silence = state.withLock { ContinuousClock.now - $0.supervisedAt }
    if silence > Self.supervisionMax {
      return "the supervisor has been busy for \(silence.components.seconds) s"
    }
    return gateway.isResponsive() ? nil : "a worker does not take turns"
  }

  func report() -> TunnelReport {
    let counters = gateway.statistics()
    let sum = counters.reduce(StatisticsSnapshot(), +)
    let processor = gateway.processorSeconds()
    let moment = history.last
    let workers = counters.indices.map { index in
      WorkerReport(
        index: index, cpu: tunnel.cpus.isEmpty ? nil : tunnel.cpus[index], processorSeconds: processor[index],
        flowsOpen: counters[index].flowsOpen, rates: moment?.workers[index] ?? Rates())
    }
    return TunnelReport(
      tunnel: tunnel, uptimeSeconds: Self.unixTime() - tunnel.startedAt, isHealthy: complaint() == nil,
      firewall: firewall, flowsOpen: sum.flowsOpen, rates: moment?.all ?? Rates(), workers: workers,
      counters: Dictionary(uniqueKeysWithValues: Counter.allCases.map { ($0.name, sum[$0]) }),
      drops: Dictionary(uniqueKeysWithValues: DropReason.allCases.map { ($0.name, sum[$0]) }),
      roundTrips: RoundTripReport(sum))
  }
}
