package import DataPlane

/// A tunnel as it stands.
package struct TunnelReport: Codable, Sendable {
  package var tunnel: TunnelDescription
  package var uptimeSeconds: Double
  package var isHealthy: Bool
  package var firewall: FirewallReport
  package var flowsOpen: UInt64
  /// Of all workers, over the last second.
  package var rates: Rates
  package var workers: [WorkerReport]
  /// All counters, by the names that docs/OPERATING.md explains.
  package var counters: [String: UInt64]
  package var drops: [String: UInt64]
  package var roundTrips: RoundTripReport
}

package struct WorkerReport: Codable, Sendable {
  package var index: Int
  package var cpu: Int?
  package var processorSeconds: Double?
  package var flowsOpen: UInt64
  package var rates: Rates
}

/// Client: how long answers took, since the start, in milliseconds.
package struct RoundTripReport: Codable, Sendable {
  package var handshakeCount: UInt64
  package var handshakeMean: Double?
  package var keepaliveCount: UInt64
  package var keepaliveMean: Double?

  init(_ counters: StatisticsSnapshot) {
    let (handshakes, probes) = (counters[.handshakeRoundTrip], counters[.probeRoundTrip])
    handshakeCount = handshakes.count
    handshakeMean = handshakes.mean.map { $0 / 1_000 }
    keepaliveCount = probes.count
    keepaliveMean = probes.mean.map { $0 / 1_000 }
  }
}

/// All of a process's tunnels: what `guise status --json` prints.
package struct StatusReport: Codable, Sendable {
  package var tunnels: [TunnelReport]

  package init(tunnels: [TunnelReport]) { self.tunnels = tunnels }
}

extension StatisticsSnapshot {
  /// Workers' counters are not read at one instant, so that the difference may be negative for a moment.
  package var flowsOpen: UInt64 {
    let (opened, closed) = (self[.flowsOpened] + self[.flowsResumed], self[.flowsClosed])
    return opened > closed ? opened - closed : 0
  }

  var dropped: UInt64 { DropReason.allCases.reduce(0) { $0 + self[$1] } }
}
