internal import DataPlane

/// The way to the peer: whether there is one, and whether it leads out of this host.
struct RouteCheck: Check {
  let name = "route"

  func findings(_ plan: CheckPlan, _ host: HostView) -> [Finding] {
    guard let remote = plan.remote else { return noDefaultRoute(plan) }
    let address: Address
    do throws(SetupError) {
      address = try remote.get().address
      try Preflight.checkRemote(address, .client)
    } catch {
      return [.fail(error)]
    }
    if LocalAddresses.has(address) {
      return [
        .fail(
          "\(address) is an address of this very host", mend: "give '--peer' the address of the server's host"
        )
      ]
    }
    guard let device = HostNetwork.egressDevice(to: address, mark: plan.mark) else {
      return [
        .fail(
          "there is no way to \(address)",
          mend: "ip route add \(address) via GATEWAY, or see 'ip route get \(address)'")
      ]
    }
    guard let kind = HostNetwork.kind(ofDevice: device), Self.tunnels.contains(kind) else {
      return [.fine("\(address) is reached by \(device)")]
    }
    return [
      .warn(
        "\(address) is reached by the tunnel \(device) (\(kind)): if that goes over guise, packets run in circles",
        mend:
          "guise client … --fwmark 51820, the mark that wg-quick exempts, or 'ip route add \(address) via GATEWAY'"
      )
    ]
  }

  /// Kinds of links that may have guise below them (ip-link(8)).
  private static let tunnels: Set = [
    "wireguard", "tun", "ipip", "sit", "gre", "vxlan", "geneve", "amneziawg",
  ]

  private func noDefaultRoute(_ plan: CheckPlan) -> [Finding] {
    let devices = AddressFamily.allCases.flatMap { HostNetwork.defaultRouteDevices($0) }
    guard devices.isEmpty else { return [.fine("the default route is by \(devices[0])")] }
    return [
      .warn(
        "there is no default route: only hosts of this network are reached",
        mend: "ip route add default via GATEWAY")
    ]
  }
}
