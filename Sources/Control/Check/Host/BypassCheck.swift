/// Whether '--firewall auto' will translate at tc, and why not.
struct BypassCheck: Check {
  let name = "tc"

  func findings(_ plan: CheckPlan, _ host: HostView) -> [Finding] {
    guard (try? host.privileges.check()) != nil, let device = HostNetwork.egressDevices(plan).first else {
      return []
    }
    guard let reason = host.obstacleToBypass(device) else {
      return [.fine("packets by \(device) can be translated at tc, before netfilter and routing")]
    }
    return [.fine("packets by \(device) are translated by nftables, since \(reason)")]
  }
}
