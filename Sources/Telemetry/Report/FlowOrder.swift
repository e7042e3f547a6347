/// In what order flows are shown; those that are alike in it, by what names them.
package enum FlowOrder: String, Codable, Sendable, CaseIterable {
  /// The fastest first, both ways together.
  case rate
  /// The oldest first.
  case age
  /// Those that have been silent longest first.
  case silent
  /// The slowest to answer first: a keepalive, or the handshake.
  case rtt
  case state
  case remote
  case port
  case peer

  package func sort(_ flows: [FlowReport]) -> [FlowReport] {
    switch self {
    case .rate: descending(flows) { ($0.sentPerSecond ?? 0) + ($0.receivedPerSecond ?? 0) }
    case .age: descending(flows, by: \.ageSeconds)
    case .silent: descending(flows, by: \.silentSeconds)
    case .rtt: descending(flows) { $0.keepaliveMilliseconds ?? $0.handshakeMilliseconds ?? -1 }
    case .state: ascending(flows, by: \.state)
    case .remote: ascending(flows, by: \.remote)
    case .port: ascending(flows, by: \.localPort)
    case .peer: ascending(flows) { $0.peer ?? "" }
    }
  }

  /// The one after it, the first after the last.
  package var next: FlowOrder {
    let all = Self.allCases
    return all[(all.firstIndex(of: self)! + 1) % all.count]
  }

  private func descending(_ flows: [FlowReport], by key: (FlowReport) -> Double) -> [FlowReport] {
    ascending(flows) { -key($0) }
  }

  /// Each flow's key is made once.
  private func ascending(_ flows: [FlowReport], by key: (FlowReport) -> some Comparable) -> [FlowReport] {
    flows.map { (key($0), $0.identity, $0) }.sorted { ($0.0, $0.1) < ($1.0, $1.1) }.map(\.2)
  }
}
