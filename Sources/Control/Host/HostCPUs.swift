internal import Glibc

/// The CPUs of this host, and which of them this process may use.
struct HostCPUs: Equatable, Sendable {
  /// What there is and is switched on.
  let online: [Int]
  /// Those of `online` that the affinity of this thread and the cpuset of its cgroup permit, which the
  /// kernel keeps as one mask (sched_setaffinity(2), cpuset(7)).
  let allowed: [Int]

  /// `root` stands in front of `/proc` and `/sys`. Without these, what sysconf(3) counts is all there is.
  static func current(root: String = "") -> HostCPUs {
    let counted = Array(0..<max(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 1))
    let online = list("\(root)/sys/devices/system/cpu/online") ?? counted
    let mask = TextFile.lines("\(root)/proc/thread-self/status")
      .first { $0.hasPrefix("Cpus_allowed_list:") }
      .flatMap { $0.split(whereSeparator: \.isWhitespace).last }
    let allowed = mask.flatMap { try? CPUList(String($0)) }?.cpus ?? online
    return HostCPUs(online: online, allowed: allowed.filter(Set(online).contains))
  }

  /// The CPUs of the NUMA node that a network device's hardware is attached to; nil where the host has no
  /// nodes, or the device no hardware that says (`numa_node` is -1).
  static func near(device: String, root: String = "") -> (node: Int, cpus: [Int])? {
    guard let text = TextFile.text("\(root)/sys/class/net/\(device)/device/numa_node"), let node = Int(text),
      node >= 0, let cpus = list("\(root)/sys/devices/system/node/node\(node)/cpulist")
    else { return nil }
    return (node, cpus)
  }

  private static func list(_ path: String) -> [Int]? {
    TextFile.text(path).flatMap { try? CPUList($0) }?.cpus
  }
}
