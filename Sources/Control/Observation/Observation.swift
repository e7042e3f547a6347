internal import DataPlane
internal import FoundationEssentials
internal import Glibc
internal import Logging
internal import Telemetry

/// What a running gateway tells of itself: its control socket, and metrics where they are asked for
/// (docs/decisions/0065-observation.md).
///
/// To be made by the supervisor once it has confined itself: the thread that serves has its user, and less of
/// everything else. Without it the gateway carries packets as ever, so that what is refused is logged.
struct Observation: Sendable {
  private let tunnel: ObservedTunnel
  private let server: ObservationServer?
  private let socketPath: String?

  static func start(
    _ gateway: Gateway, _ preflight: Preflight, _ host: borrowing HostSetup,
    _ metrics: consuming MetricsListener?,
    commanders: Set<UInt32>, _ log: Logger
  ) -> Observation {
    let tunnel = ObservedTunnel(description(gateway, preflight, host, metrics?.endpoint), gateway)
    var listeners: [ObservationServer.Listener] = []
    let path = host.controlSocket
    if let path {
      do throws(KernelError) {
        let descriptor = try UnixSocket.bound(to: path, mode: preflight.confinement.controlSocketMode)
        listeners.append(.init(descriptor: descriptor, access: .control(commanders: commanders)))
      } catch {
        log.warning("no control socket, so that 'guise status' will not see this process: \(error)")
      }
    }
    if var metrics {
      log.info("metrics and page: http://\(metrics.endpoint)/")
      if !metrics.isLoopback {
        log.warning("whoever can reach \(metrics.endpoint) sees the metrics: there is no password")
      }
      listeners.append(.init(descriptor: metrics.take(), access: .metrics(isLoopback: metrics.isLoopback)))
    }
    do {
      let server = try ObservationServer([tunnel], listeners) {
        [confinement = preflight.confinement] in try confinement.narrow(to: .observer)
      }
      return Observation(tunnel: tunnel, server: server, socketPath: path)
    } catch {
      log.warning("neither control socket nor metrics: \(error)")
      return Observation(tunnel: tunnel, server: nil, socketPath: path)
    }
  }

  private static func description(
    _ gateway: Gateway, _ preflight: Preflight, _ host: borrowing HostSetup, _ metrics: Endpoint?
  ) -> TunnelDescription {
    let configuration = preflight.configuration
    return TunnelDescription(
      name: host.device.name, title: configuration.name, role: configuration.role, engine: preflight.engine,
      listen: "\(configuration.listen.endpoint(preflight.local))", remotes: preflight.remotes.map { "\($0)" },
      metrics: metrics.map { "\($0)" }, mtu: preflight.mtu, cpus: preflight.placement.cpus,
      flowsMax: gateway.flowCountMax, process: getpid())
  }

  /// Shows that the supervisor runs, and looks at the firewall if somebody wants to know: the supervisor alone may.
  func lookAfter(_ host: borrowing HostSetup) {
    guard tunnel.noteSupervision() else { return }
    tunnel.note(host.firewall.report())
  }

  /// Keeps what can be told of the firewall without running a program as it is.
  func follow(_ host: borrowing HostSetup) { tunnel.renew(host.firewall.outline()) }

  /// Ends the server. The socket's name stays for who goes on with the device and has made it its own.
  func stop(removingSocket: Bool) {
    server?.stop()
    if removingSocket, let socketPath { unsafe unlink(socketPath) }
  }
}

extension HostFirewall {
  /// How addresses are translated, without a look at the rules.
  func outline() -> FirewallReport {
    guard let rules else { return FirewallReport() }
    return FirewallReport(
      table: rules.tableFamilies.isEmpty ? nil : FirewallRules.table(of: rules.device),
      translation: rules.summary, tcPackets: tcCounts?.translated, tcStrays: tcCounts?.strays,
      restorations: restorations)
  }

  /// How the rules are, as nft tells.
  func report() -> FirewallReport {
    var report = outline()
    guard let rules else { return report }
    let table = FirewallRules.table(of: rules.device)
    do throws(SetupError) {
      for family in rules.tableFamilies {
        let listing = try HostTool.nft.run(["-j", "list", "counters", "table", family.rawValue, table])
        if family == .inet { report.invalidPackets = NFTCounters(listing).packets(of: "invalid") }
      }
      report.isInstalled = isInPlaceAtTC
    } catch {
      if case .toolFailed = error { report.isInstalled = false }
    }
    return report
  }
}

/// Named counters out of what `nft -j list counters` printed.
struct NFTCounters {
  private let counters: [Counter]

  private struct Listing: Decodable {
    let nftables: [Entry]
    struct Entry: Decodable { let counter: Counter? }
  }
  private struct Counter: Decodable {
    let name: String
    let packets: UInt64
  }

  init(_ listing: String) {
    let list = try? JSONDecoder().decode(Listing.self, from: Data(listing.utf8))
    counters = list?.nftables.compactMap(\.counter) ?? []
  }

  func packets(of name: String) -> UInt64? { counters.first { $0.name == name }?.packets }
}
