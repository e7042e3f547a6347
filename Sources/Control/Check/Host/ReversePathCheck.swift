/// Strict reverse path filtering (RFC 3704 §2.2) drops what comes in by another interface than answers would
/// leave by. The kernel takes the larger of an interface's value and that of `all`; 2 is loose.
struct ReversePathCheck: Check {
  let name = "rp_filter"

  func findings(_ plan: CheckPlan, _ host: HostView) -> [Finding] {
    let all = host.number("net/ipv4/conf/all/rp_filter") ?? 0
    let devices = host.sysctl.children(of: "net/ipv4/conf").filter { !["all", "default", "lo"].contains($0) }
    let strict = devices.filter { max(all, host.number("net/ipv4/conf/\($0)/rp_filter") ?? 0) == 1 }
    guard !strict.isEmpty else { return [.fine("not strict on any interface")] }
    let ways = HostNetwork.defaultRouteDevices(.ipv4)
    guard ways.count > 1, let hit = ways.first(where: strict.contains) else {
      return [.fine("strict, which is right with one way out")]
    }
    return [
      .warn(
        "strict on \(hit), and there are several ways out (\(ways.joined(separator: ", "))): what comes in by the one "
          + "that answers do not leave by is dropped",
        mend: "sysctl -w \(ForwardingCheck.dotted("net/ipv4/conf/\(hit)/rp_filter"))=2")
    ]
  }
}
