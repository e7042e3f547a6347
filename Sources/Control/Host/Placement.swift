internal import Logging

/// How many workers there are, and on which CPU each runs.
struct Placement: Equatable, Sendable {
  let workers: Int
  /// The CPU of each worker; empty when the scheduler moves them as it sees fit.
  let cpus: [Int]

  /// Worker i gets the i-th CPU of the list, and when all are given, the first again. Without a number of
  /// workers there is one for each CPU of the list, or for each that this process may use; but only one where these
  /// are two, which sender and receiver need as well (docs/decisions/0030-placement.md).
  ///
  /// `near` tells the CPUs of the NUMA node that packets come in at; it is asked for `.auto` alone.
  static func choose(
    _ configuration: GatewayConfiguration, _ host: HostCPUs, near: () -> (node: Int, cpus: [Int])?,
    _ log: Logger
  ) throws(SetupError) -> Placement {
    let list: [Int]
    switch configuration.cpus {
    case .any:
      let count = host.allowed.count > 2 ? host.allowed.count : 1
      return Placement(workers: configuration.workers ?? clamped(count), cpus: [])
    case .list(let asked):
      if let missing = asked.cpus.first(where: { !host.online.contains($0) }) {
        throw .cpuMissing(missing, online: CPUList(host.online))
      }
      if let forbidden = asked.cpus.first(where: { !host.allowed.contains($0) }) {
        throw .cpuForbidden(forbidden, allowed: CPUList(host.allowed))
      }
      list = asked.cpus
    case .auto: list = nearest(host, near(), log)
    }
    let workers = configuration.workers ?? clamped(list.count)
    return Placement(workers: workers, cpus: (0..<workers).map { list[$0 % list.count] })
  }

  private static func nearest(_ host: HostCPUs, _ near: (node: Int, cpus: [Int])?, _ log: Logger) -> [Int] {
    guard let near else { return host.allowed }
    let usable = near.cpus.filter(host.allowed.contains)
    guard !usable.isEmpty else {
      log.warning("this process may use no CPU of NUMA node \(near.node), where the network card is")
      return host.allowed
    }
    log.info("the network card is at NUMA node \(near.node): using its CPUs \(CPUList(usable))")
    return usable
  }

  private static func clamped(_ count: Int) -> Int {
    min(
      max(count, GatewayConfiguration.workersRange.lowerBound), GatewayConfiguration.workersRange.upperBound)
  }
}
