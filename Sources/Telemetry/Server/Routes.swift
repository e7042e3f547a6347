internal import DataPlane

/// A request, without what the library has dealt with.
struct Request {
  var method: String
  var path: String
  var host: String?
  var body: [UInt8]
}

/// Who asks.
enum Visitor: Equatable {
  case metrics(isLoopback: Bool)
  case control(mayCommand: Bool)
}

struct Answer {
  var status = 200
  var contentType: String
  var headers: [(String, String)] = []
  var body: [UInt8]

  static func json(_ value: some Encodable, status: Int = 200) -> Answer {
    Answer(status: status, contentType: "application/json", body: JSON.encode(value) + [UInt8(ascii: "\n")])
  }

  static func text(_ text: String, status: Int = 200) -> Answer {
    Answer(status: status, contentType: "text/plain; charset=utf-8", body: Array(text.utf8))
  }

  static func refusal(_ status: Int, _ reason: String) -> Answer {
    json(RefusalReport(error: reason), status: status)
  }
}

/// What there is to ask for.
struct Routes: Sendable {
  private let tunnels: [ObservedTunnel]

  init(_ tunnels: [ObservedTunnel]) { self.tunnels = tunnels }

  func answer(_ request: Request, _ visitor: Visitor) -> Answer {
    if visitor == .metrics(isLoopback: true), !Self.isLocal(request.host) {
      return .refusal(403, "ask by an address or as localhost")
    }
    switch request.path {
    case "/flows/list", "/flows/close", "/flows/reconnect":
      guard case .control(let mayCommand) = visitor else { return .refusal(404, "not here") }
      guard request.method == "POST" else { return .refusal(405, "use POST") }
      return flows(request, mayCommand: mayCommand)
    default:
      guard request.method == "GET" || request.method == "HEAD" else { return .refusal(405, "use GET") }
      return look(request.path)
    }
  }

  private func look(_ path: String) -> Answer {
    switch path {
    case "/": return Page.answer
    case "/status": return .json(StatusReport(tunnels: tunnels.map { $0.report() }))
    case "/history":
      return .json(
        HistoryReport(
          tunnels: tunnels.map { HistoryReport.Tunnel(name: $0.tunnel.name, moments: $0.history) }))
    case "/metrics":
      let text = PrometheusText(tunnels.map(reading)).text
      return Answer(contentType: PrometheusText.contentType, body: Array(text.utf8))
    case "/healthz":
      let complaints = tunnels.compactMap { tunnel in
        tunnel.complaint().map { "\(tunnel.tunnel.name): \($0)\n" }
      }
      return complaints.isEmpty ? .text("ok\n") : .text(complaints.joined(), status: 503)
    default: return .refusal(404, "there are /, /metrics, /healthz, /status and /history")
    }
  }

  private func reading(_ tunnel: ObservedTunnel) -> Metric.TunnelReading {
    Metric.TunnelReading(
      tunnel: tunnel.tunnel, counters: tunnel.gateway.statistics(),
      processorSeconds: tunnel.gateway.processorSeconds(), firewall: tunnel.firewall,
      isHealthy: tunnel.complaint() == nil)
  }

  private func flows(_ request: Request, mayCommand: Bool) -> Answer {
    guard let query = FlowQuery.read(request.body), let selection = query.selection else {
      return .refusal(
        400,
        "the query cannot be read: there are local_port, remote, remote_port, peer, peer_port, silent_seconds, limit, all"
      )
    }
    do throws(WorkerSilence) {
      if request.path == "/flows/list" {
        var flows: [FlowReport] = []
        let limit = min(max(0, query.limit ?? FlowQuery.limitMax), FlowQuery.limitMax)
        for tunnel in tunnels {
          flows += try tunnel.gateway.flows(selection, limit: limit - flows.count)
            .map { FlowReport($0, tunnel: tunnel.tunnel.name) }
        }
        return .json(FlowListReport(flows: flows))
      }
      guard mayCommand else { return .refusal(403, "only root and the user who started guise may do that") }
      guard query.isSelective else { return .refusal(400, "say which flows, or {\"all\": true}") }
      if request.path == "/flows/reconnect", tunnels.contains(where: { $0.tunnel.role == "server" }) {
        return .refusal(
          409, "a server opens no flows: 'guise flows close' resets them, and clients open them anew")
      }
      var count = 0
      for tunnel in tunnels {
        count +=
          request.path == "/flows/close"
          ? try tunnel.gateway.closeFlows(selection) : try tunnel.gateway.reconnectFlows(selection)
      }
      return .json(FlowCountReport(count: count))
    } catch {
      return .refusal(503, "worker \(error.worker) does not answer")
    }
  }

  /// A page of somebody else's whose name has been made to point to this host has that name in `Host`
  /// (DNS rebinding).
  private static func isLocal(_ host: String?) -> Bool {
    guard let host else { return true }
    let name =
      host.hasPrefix("[") ? String(host.dropFirst().prefix { $0 != "]" }) : String(host.prefix { $0 != ":" })
    return name == "localhost" || Address(name) != nil
  }
}
