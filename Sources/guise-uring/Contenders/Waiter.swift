internal import CLiburing
internal import DataPlane

/// Submits an operation that does nothing and waits for a completion, in one call.
final class Waiter: Contender {
  enum Limit {
    case none
    /// The time lies in the process's memory and is copied in each time (IORING_ENTER_EXT_ARG).
    case argument
    /// The time lies in memory that the kernel has mapped (IORING_ENTER_EXT_ARG_REG, Linux 6.13).
    case registered
  }

  private var ring: Ring
  private let limit: Limit
  private let isExpected: Bool
  private let argument: Region
  private let timeout: Region

  /// The limit is `nanoseconds`, which pass when `isExpected`: nothing is submitted then.
  ///
  /// Throws EINVAL when the kernel has no wait regions.
  init(_ limit: Limit, nanoseconds: Int, isExpected: Bool) throws {
    var parameters = io_uring_params()
    parameters.flags =
      IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED
    ring = try Ring(submissions: 8, parameters)
    self.limit = limit
    self.isExpected = isExpected
    argument = try Region(byteCount: 4_096)
    timeout = try Region.array(of: __kernel_timespec.self, count: 1)
    let time = __kernel_timespec(tv_sec: 0, tv_nsec: Int64(nanoseconds))
    unsafe timeout.bound(to: __kernel_timespec.self).pointee = time
    switch limit {
    case .none: break
    case .argument:
      unsafe argument.bound(to: guise_wait_argument.self).pointee.timeout = UInt64(
        UInt(bitPattern: timeout.base))
    case .registered:
      try KernelError.check(
        "io_uring_register(MEM_REGION) (Linux 6.13)",
        unsafe guise_register_wait_region(ring.ring, argument.base, argument.byteCount))
      unsafe argument.bound(to: guise_registered_wait.self).pointee.timeout = time
      unsafe argument.bound(to: guise_registered_wait.self).pointee.flags = 1
    }
    try KernelError.check("io_uring_register(ENABLE_RINGS)", unsafe guise_enable_ring(ring.ring))
  }

  func run(operations: Int, _ watch: inout Stopwatch) throws -> Outcome {
    watch.start()
    for _ in 0..<operations {
      if !isExpected { unsafe io_uring_prep_nop(ring.entry()) }
      let result = enter()
      guard result >= 0 || (isExpected && result == -ETIME) else {
        throw KernelError("io_uring_enter", errno: -result)
      }
      while ring.nextCompletion() != nil {}
    }
    watch.stop()
    return Outcome(operations: operations)
  }

  private func enter() -> Int32 {
    switch limit {
    case .none: unsafe guise_enter(ring.ring, 1, IORING_ENTER_GETEVENTS, nil, 0)
    case .argument:
      unsafe guise_enter(
        ring.ring, 1, IORING_ENTER_GETEVENTS | UInt32(GUISE_ENTER_EXT_ARG), argument.base,
        MemoryLayout<guise_wait_argument>.size)
    case .registered:
      unsafe guise_enter(
        ring.ring, 1, IORING_ENTER_GETEVENTS | UInt32(GUISE_ENTER_EXT_ARG | GUISE_ENTER_EXT_ARG_REG), nil,
        MemoryLayout<guise_registered_wait>.size)
    }
  }
}
