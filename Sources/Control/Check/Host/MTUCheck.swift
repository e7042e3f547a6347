internal import DataPlane

/// How large a packet the first link takes, and what that means for what is carried.
struct MTUCheck: Check {
  let name = "MTU"

  /// What WireGuard needs at least to carry IPv6 (RFC 8200 §5).
  private static let leastInside = 1_280

  func findings(_ plan: CheckPlan, _ host: HostView) -> [Finding] {
    guard let way = way(plan) else { return [] }
    let datagram = way.mtu - way.family.headerBytes
    let inside = WireGuard.mtu(for: datagram)
    guard GatewayConfiguration.mtuRange.contains(way.mtu) else {
      return [
        .fail(
          "\(way.what) takes \(way.mtu) bytes, and guise needs \(GatewayConfiguration.mtuRange.lowerBound)",
          mend: "ip link set dev \(way.device) mtu 1500")
      ]
    }
    var findings: [Finding] = []
    if inside < Self.leastInside {
      findings.append(
        .warn(
          "\(way.what) takes \(way.mtu) bytes: WireGuard gets an MTU of \(inside), too small for IPv6 inside",
          mend: "ip link set dev \(way.device) mtu 1500, if the link takes it, or no IPv6 in WireGuard"))
    } else {
      findings.append(
        .fine(
          "\(way.what) takes \(way.mtu) bytes: datagrams of \(datagram), for WireGuard an MTU of \(inside)"))
    }
    for link in HostNetwork.links(ofKind: "wireguard") where link.mtu > inside {
      findings.append(
        .warn(
          "\(link.name) has an MTU of \(link.mtu), and over guise \(inside) is the most",
          mend: "ip link set dev \(link.name) mtu \(inside), and 'MTU = \(inside)' in its configuration"))
    }
    return findings
  }

  private func way(_ plan: CheckPlan) -> (what: String, device: String, family: AddressFamily, mtu: Int)? {
    if let remote = plan.remote {
      guard let address = try? remote.get().address,
        let device = HostNetwork.egressDevice(to: address, mark: plan.mark),
        let mtu = HostNetwork.egressMTU(to: address, mark: plan.mark)
      else { return nil }
      return ("the way to \(address)", device, address.family, mtu)
    }
    for family in AddressFamily.allCases {
      if let device = HostNetwork.defaultRouteDevices(family).first,
        let mtu = HostNetwork.defaultRouteMTU([family])
      {
        return ("the default route", device, family, mtu)
      }
    }
    return nil
  }
}
