/// Whether the host forwards, or guise can make it do so.
struct ForwardingCheck: Check {
  let name = "forwarding"

  func findings(_ plan: CheckPlan, _ host: HostView) -> [Finding] {
    let isIPv6Off = host.sysctl.read("net/ipv6/conf/all/disable_ipv6") != "0"
    var findings: [Finding] = []
    if isIPv6Off, plan.mayServe {
      findings.append(
        .warn(
          "IPv6 is switched off: a server takes IPv4 only",
          mend: "sysctl -w net.ipv6.conf.all.disable_ipv6=0"))
    }
    for (family, name) in [
      (AddressFamily.ipv4, "net/ipv4/ip_forward"), (.ipv6, "net/ipv6/conf/all/forwarding"),
    ] {
      guard family == .ipv4 || !isIPv6Off else { continue }
      switch host.sysctl.read(name) {
      case "0":
        findings.append(
          host.sysctl.isWritable(name)
            ? .fine("\(family): off, guise switches it on while it runs")
            : .fail(
              "\(family): off, and /proc/sys cannot be written here",
              mend:
                "sysctl -w \(Self.dotted(name))=1, or 'docker run --sysctl \(Self.dotted(name))=1' for a container"
            ))
      case nil: findings.append(.fail("\(family): the kernel has no \(name)", mend: "guise … --ipv4-only"))
      default:
        findings.append(
          forwardsNot(family, host)
            ?? .fine("\(family): on"))
      }
    }
    return findings
  }

  /// An interface can be taken out of forwarding by itself; for IPv4, packets that come in there are meant.
  private func forwardsNot(_ family: AddressFamily, _ host: HostView) -> Finding? {
    guard family == .ipv4 else { return nil }
    for device in host.sysctl.children(of: "net/ipv4/conf")
    where !["all", "default", "lo"].contains(device) {
      let name = "net/ipv4/conf/\(device)/forwarding"
      guard host.sysctl.read(name) == "0" else { continue }
      return .fail(
        "\(family): on, but not for what comes in by \(device)", mend: "sysctl -w \(Self.dotted(name))=1")
    }
    return nil
  }

  static func dotted(_ name: String) -> String {
    name.contains(".") ? name : name.replacing("/", with: ".")
  }
}
