internal import DataPlane
internal import Glibc
internal import Telemetry

/// How many descriptors this process may have (RLIMIT_NOFILE), which bounds a server's flows: each has a
/// UDP socket of its own.
enum DescriptorLimit {
  private static let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)

  /// What is in force now.
  static func current() -> rlimit {
    var limit = rlimit()
    guard unsafe getrlimit(resource, &limit) == 0 else { return rlimit(rlim_cur: 1024, rlim_max: 1024) }
    return limit
  }

  /// Raises the soft limit to the hard one and returns it.
  static func raise() -> Int {
    var limit = current()
    var raised = rlimit(rlim_cur: limit.rlim_max, rlim_max: limit.rlim_max)
    if unsafe setrlimit(resource, &raised) == 0 { limit = raised }
    return Int(clamping: limit.rlim_cur)
  }

  /// Descriptors besides the flows' sockets: a ring, a queue, a listener and a wake descriptor for each
  /// worker, whoever asks for metrics and at the control socket, and some to spare.
  private static func reserve(_ workers: Int) -> Int { 64 + 4 * workers + 2 * ConnectionLimits().countMax }

  /// The most flows that fit, at most `wished`.
  ///
  /// io_uring keeps sockets in a table for each worker, and every table may have as many entries as the
  /// process descriptors. Workers do not share flows evenly, so each has room for a quarter more than its
  /// share, and 256. With epoll, all sockets are the process's own descriptors.
  static func flowCountMax(wished: Int, descriptors: Int, workers: Int, engine: EngineKind) -> Int {
    let free = descriptors - reserve(workers)
    let fitting =
      switch engine {
      case .uring where workers > 1: (free - 256) * workers * 4 / 5
      case .uring, .epoll: free
      }
    return min(wished, max(fitting, 1))
  }
}
