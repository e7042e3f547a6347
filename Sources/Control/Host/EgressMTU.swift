internal import DataPlane
internal import Logging

/// The largest packet in bytes that a gateway begins with; narrower places further on make themselves known
/// by ICMP.
enum EgressMTU {
  /// What stands for a path of which nothing is known: Ethernet's.
  private static let usual = 1_500

  /// What was asked for, or what the routes say. A client knows its way, the narrowest of several: what does
  /// not fit its link is cut down to it.
  ///
  /// A process that goes on for its `predecessor` takes what that had found: there is no time to ask.
  static func choose(
    _ configuration: GatewayConfiguration, _ remotes: [Endpoint], _ families: Set<AddressFamily>,
    _ predecessor: FlowFileHeader?, _ log: Logger
  ) -> Int {
    if let mtu = predecessor?.mtu, mtu == configuration.mtu ?? mtu { return mtu }
    switch configuration.role {
    case .client:
      let ways = remotes.compactMap { remote in
        HostNetwork.egressMTU(to: remote.address, mark: configuration.mark).map { (remote, $0) }
      }
      guard let (remote, narrowest) = ways.min(by: { $0.1 < $1.1 }) else {
        return configuration.mtu ?? unknown(log)
      }
      let found = clamped(narrowest)
      guard let asked = configuration.mtu else { return found }
      guard asked > found else { return asked }
      log.warning(
        "'--mtu \(asked)' is more than the way to \(remote.address) takes: going on with \(found) bytes")
      return found
    case .server:
      // Any link may lead to a client. Where one takes less than is said here, the kernel tells.
      if let asked = configuration.mtu { return asked }
      let found = HostNetwork.defaultRouteMTU(families) ?? HostNetwork.largestRouteMTU(families)
      return found.map(clamped) ?? unknown(log)
    }
  }

  /// Loopback's 65 536 is one more than a packet can have.
  private static func clamped(_ mtu: Int) -> Int {
    let range = GatewayConfiguration.mtuRange
    return min(max(mtu, range.lowerBound), range.upperBound)
  }

  private static func unknown(_ log: Logger) -> Int {
    log.debug("no MTU to be learnt from the routes: using \(usual) ('--mtu' sets another)")
    return usual
  }
}
