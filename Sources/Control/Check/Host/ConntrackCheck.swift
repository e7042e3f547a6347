/// Connection tracking: room in its table, and how long it remembers a flow.
struct ConntrackCheck: Check {
  let name = "conntrack"

  /// A flow's entry must outlive the pause between two signs of life.
  private static let timeouts = [
    "nf_conntrack_tcp_timeout_established": GatewayConfiguration.idleTimeoutDefault,
    "nf_conntrack_tcp_timeout_unacknowledged": 10,
  ]
  private static let roomForServer = 65_536

  func findings(_ plan: CheckPlan, _ host: HostView) -> [Finding] {
    guard let size = host.number("net/netfilter/nf_conntrack_max") else {
      return [.fine("not there yet: guise's rules bring it")]
    }
    let used = host.number("net/netfilter/nf_conntrack_count") ?? 0
    var findings: [Finding] = []
    let raise = "sysctl -w net.netfilter.nf_conntrack_max="
    if used * 10 > size * 8 {
      findings.append(
        .warn(
          "its table is nearly full, \(used) of \(size) entries: new flows will be dropped",
          mend: "\(raise)\(max(size * 4, 262_144)), or '--firewall stateless'"))
    } else if plan.service != nil, size < Self.roomForServer {
      findings.append(
        .warn(
          "its table has room for \(size) flows, a server may get more",
          mend: "\(raise)262144, or '--firewall stateless'"))
    }
    for (timeout, least) in Self.timeouts.sorted(by: { $0.key < $1.key }) {
      guard let seconds = host.number("net/netfilter/\(timeout)"), seconds < least else { continue }
      findings.append(
        .fail(
          "a flow is forgotten after \(seconds) s (\(timeout)), and may be silent for longer",
          mend: "sysctl -w net.netfilter.\(timeout)=\(max(least * 2, 300))"))
    }
    return findings.isEmpty ? [.fine("\(used) of \(size) entries in use")] : findings
  }
}
