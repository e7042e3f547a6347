internal import DataPlane
internal import Glibc

/// Memory that a process without CAP_IPC_LOCK may lock (RLIMIT_MEMLOCK, getrlimit(2)), of which each worker's ring takes
/// some.
enum LockedMemory {
  private static let resource = __rlimit_resource_t(__RLIMIT_MEMLOCK.rawValue)

  /// Throws what the kernel would say to the last of so many workers: ENOMEM. Raises the soft limit to the hard one.
  ///
  /// The kernel counts what all processes of the user have locked, so others may have left less than this promises.
  static func require(workers: Int, _ privileges: Privileges = .current()) throws(KernelError) {
    guard privileges.effective & CapabilityMask.lockedMemory == 0 else { return }
    let needed = workers * UringProbe.lockedBytes
    guard needed > raisedLimit() else { return }
    throw KernelError("io_uring_setup\(workers > 1 ? " for \(workers) workers" : "")", errno: ENOMEM)
  }

  private static func raisedLimit() -> Int {
    var limit = rlimit()
    guard unsafe getrlimit(resource, &limit) == 0 else { return .max }
    var raised = rlimit(rlim_cur: limit.rlim_max, rlim_max: limit.rlim_max)
    if unsafe setrlimit(resource, &raised) == 0 { limit = raised }
    return Int(clamping: limit.rlim_cur)
  }
}
