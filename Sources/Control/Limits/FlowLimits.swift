internal import DataPlane

/// How many flows a gateway takes, and how many of them from one address.
struct FlowLimits: Equatable, Sendable {
  let flows: Int
  /// Of one source address of a server.
  let perSource: Int

  /// A server's, with so many `descriptors`. Nobody alone takes all that there is room for, be it in the table or
  /// in the range of UDP ports, unless that is asked for.
  static func server(
    _ configuration: GatewayConfiguration, descriptors: Int, workers: Int, engine: EngineKind,
    sysctl: Sysctl = Sysctl()
  ) -> FlowLimits {
    let sources = configuration.sources.count
    let wished = min(GatewayPlan.flowCountMax(sources: sources), configuration.flowCountMax ?? .max)
    let flows = DescriptorLimit.flowCountMax(
      wished: wished, descriptors: descriptors, workers: workers, engine: engine)
    let room = min(flows, localPorts(sysctl) * max(sources, 1))
    return FlowLimits(flows: flows, perSource: configuration.flowsPerSource ?? max(1, room * 3 / 4))
  }

  /// How many ports the kernel gives to sockets of one address (`net.ipv4.ip_local_port_range`, which holds for
  /// IPv6 as well).
  static func localPorts(_ sysctl: Sysctl) -> Int {
    let bounds = (sysctl.read("net/ipv4/ip_local_port_range") ?? "").split { $0 == " " || $0 == "\t" }
      .compactMap { Int($0) }
    guard bounds.count == 2, bounds[0] <= bounds[1] else { return 28_232 }
    return bounds[1] - bounds[0] + 1
  }
}
