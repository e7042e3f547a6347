internal import DataPlane

/// Whether somebody has the ports and addresses already.
struct PortCheck: Check {
  let name = "ports"

  /// A server's flows speak from UDP ports of this range.
  private static let portsForServer = 16_384

  func findings(_ plan: CheckPlan, _ host: HostView) -> [Finding] {
    var findings: [Finding] = []
    if let local = plan.local { findings += client(local, host) }
    if let service = plan.service { findings += server(service, host) }
    if plan.mayServe {
      let ports = FlowLimits.localPorts(host.sysctl)
      if ports < Self.portsForServer {
        findings.append(
          .warn(
            "net.ipv4.ip_local_port_range has \(ports) ports, one for each flow of a server",
            mend: "sysctl -w net.ipv4.ip_local_port_range='16384 65535', or '--source' with several addresses"
          ))
      }
    }
    return findings
  }

  private func client(_ target: HostPort, _ host: HostView) -> [Finding] {
    do throws(SetupError) {
      let families = Set(AddressFamily.allCases)
      let local = try HostResolution.endpoint(of: target, families: families, purpose: "--local")
      try Preflight.checkFree(local)
      return [.fine("UDP \(local) is free")]
    } catch {
      guard let other = host.instances(areAlive: true).first(where: { $0.isClient(at: target) }) else {
        return [.fail(error)]
      }
      return [
        .warn(
          "process \(other.processID) of guise has UDP \(target) already",
          mend: "'guise status' shows it: end it, start with '--takeover', or choose another port")
      ]
    }
  }

  private func server(_ service: ListenPort, _ host: HostView) -> [Finding] {
    if let address = service.address, !LocalAddresses.has(address) {
      return [.fail(.localAddressMissing(address))]
    }
    let listeners = ListeningSockets.tcp(port: service.port)
    guard listeners.isEmpty else {
      return [
        .warn(
          "a program listens on TCP \(listeners.joined(separator: " and ")): it will get nothing while guise runs",
          mend: "ss -ltnp sport = :\(service.port) names it: stop it, or choose another port")
      ]
    }
    if let other = host.instances(areAlive: true).first(where: { $0.overlaps(service) }) {
      return [
        .warn(
          "process \(other.processID) of guise serves TCP \(other.serves ?? "") already: flows would go to one of the two",
          mend: "'guise status' shows it: end it, start with '--takeover', or choose another port")
      ]
    }
    return [.fine("TCP port \(service.port) is free")]
  }
}
