internal import CLiburing
internal import DataPlane
internal import Glibc

/// What experiments ask of a ring beyond what the engine needs.
extension Ring {
  /// The engine's set-up: completion work runs when the owner enters the kernel.
  static func owned() throws -> Ring { try Ring(submissions: 512, completions: 4_096) }

  /// A kernel thread on the peer's processor takes submissions, and sleeps after `idleMilliseconds` without any.
  static func polled(idleMilliseconds: UInt32) throws -> Ring {
    var parameters = io_uring_params()
    parameters.flags =
      IORING_SETUP_SQPOLL | IORING_SETUP_SQ_AFF | IORING_SETUP_CQSIZE | IORING_SETUP_SINGLE_ISSUER
    parameters.sq_thread_cpu = UInt32(Processor.peer.number)
    parameters.cq_entries = 4_096
    parameters.sq_thread_idle = idleMilliseconds
    return try Ring(submissions: 512, parameters)
  }

  /// Registers memory as buffer 0; its pages are pinned and count against RLIMIT_MEMLOCK.
  func registerBuffer(_ region: borrowing Region) throws {
    var vector = unsafe iovec(iov_base: region.base, iov_len: region.byteCount)
    try KernelError.check("io_uring_register(BUFFERS)", unsafe io_uring_register_buffers(ring, &vector, 1))
  }

  /// Takes completions until `count` are there; none within a second throws ETIME.
  ///
  /// `body` may queue more, and returns for how many a completion counts.
  mutating func awaitCompletions(
    _ count: Int, isSpinning: Bool = false, _ body: (Completion, borrowing Ring) throws -> Int
  ) throws {
    var left = count
    var isIdle = false
    while left > 0 {
      if !isSpinning { try submitAndWait(timeout: isIdle ? 1_000_000_000 : 0) }
      let before = left
      while let completion = nextCompletion() { left -= try body(completion, self) }
      guard !isIdle || left < before || isSpinning else { throw KernelError("io_uring_enter", errno: ETIME) }
      isIdle = left == before
    }
  }
}
