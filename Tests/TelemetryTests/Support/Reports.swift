@testable import DataPlane
@testable import Telemetry

/// Reports of gateways that there are none of.
enum Reports {
  static func tunnel(
    _ name: String = "guise0", role: Role = .client, startedAt: Double = 1_000
  ) -> TunnelDescription {
    TunnelDescription(
      name: name, role: role, engine: .epoll, listen: "127.0.0.1:1234", remotes: ["192.0.2.1:4567"],
      mtu: 1_500,
      cpus: [], flowsMax: 100, process: 7, startedAt: startedAt)
  }

  static func report(
    _ tunnel: TunnelDescription = tunnel(), isHealthy: Bool = true,
    firewall: FirewallReport = FirewallReport(
      table: "guise_guise0", translation: "masquerade", isInstalled: true),
    flowsOpen: UInt64 = 1, bytesIn: Double = 0, workers: Int = 1, drops: [String: UInt64] = [:]
  ) -> TunnelReport {
    var rates = Rates()
    rates.bytesIn = bytesIn
    return TunnelReport(
      tunnel: tunnel, uptimeSeconds: 90, isHealthy: isHealthy, firewall: firewall, flowsOpen: flowsOpen,
      rates: rates,
      workers: (0..<workers).map {
        WorkerReport(index: $0, cpu: nil, processorSeconds: 1, flowsOpen: 1, rates: rates)
      }, counters: [:], drops: drops, roundTrips: RoundTripReport(StatisticsSnapshot()))
  }

  static func flow(
    port: UInt16, peer: UInt16 = 5_000, remote: String = "192.0.2.1", state: FlowSummary.State = .established,
    age: Double = 60, silent: Double = 1, sent: UInt32 = 0, received: UInt32 = 0, handshake: UInt32 = 400,
    keepalive: UInt32 = 0, tunnel: String = "guise0"
  ) -> FlowReport {
    FlowReport(
      FlowSummary(
        worker: 0, state: state, remote: Endpoint(Address(remote)!, port: 4_567), localPort: port,
        peer: Endpoint(Address("127.0.0.1")!, port: peer), ageNanoseconds: UInt64(age * 1e9),
        silentNanoseconds: UInt64(silent * 1e9), sent: sent, received: received,
        handshakeMicroseconds: handshake,
        probeMicroseconds: keepalive, waitingCount: 0, datagramBytesMax: 1_460), tunnel: tunnel)
  }

  static func look(
    at time: Double, _ reports: [TunnelReport] = [report()], flows: [FlowReport] = [],
    moments: [History.Moment] = []
  ) -> ProcessWatch.Look {
    ProcessWatch.Look(
      time: time, tunnels: reports,
      history: reports.map { HistoryReport.Tunnel(name: $0.tunnel.name, moments: moments) }, flows: flows)
  }

  static func moment(bytesIn: Double) -> History.Moment {
    var rates = Rates()
    rates.bytesIn = bytesIn
    return History.Moment(time: 0, all: rates, workers: [], flowsOpen: 0)
  }
}
