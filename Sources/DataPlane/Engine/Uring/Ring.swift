package import CLiburing
internal import Glibc

/// An io_uring that one thread submits to (io_uring(7)).
///
/// `SINGLE_ISSUER | DEFER_TASKRUN`: completion work runs when the owner waits, never as an interruption.
/// Must be made and used on one thread.
@safe
package struct Ring: ~Copyable {
  package let ring: UnsafeMutablePointer<io_uring>
  private var head: UInt32 = 0
  private var ready: UInt32 = 0

  /// `completions` must exceed all buffers and requests together: then the queue cannot overflow.
  ///
  /// One that is to be restricted does nothing until `enable`.
  ///
  /// Throws EPERM where `kernel.io_uring_disabled` or a seccomp filter forbids it, EINVAL or ENOSYS on a
  /// kernel that is too old (6.1 knows all flags).
  package init(
    submissions: UInt32, completions: UInt32, isRestricted: Bool = false
  ) throws(KernelError) {
    var parameters = io_uring_params()
    parameters.flags =
      IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG
      | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_SUBMIT_ALL
    if isRestricted { parameters.flags |= IORING_SETUP_R_DISABLED }
    parameters.cq_entries = completions
    try self.init(submissions: submissions, parameters)
  }

  /// A ring set up as `parameters` says.
  package init(submissions: UInt32, _ parameters: io_uring_params) throws(KernelError) {
    let ring = UnsafeMutablePointer<io_uring>.allocate(capacity: 1)
    unsafe ring.initialize(to: io_uring())
    var parameters = parameters
    let result = unsafe io_uring_queue_init_params(submissions, ring, &parameters)
    guard result >= 0 else {
      unsafe ring.deallocate()
      throw KernelError("io_uring_setup", errno: -result)
    }
    unsafe self.ring = ring
    // Saves a descriptor look-up a call; kernels before 5.18 do without.
    _ = unsafe io_uring_register_ring_fd(ring)
  }

  deinit {
    unsafe io_uring_queue_exit(ring)
    unsafe ring.deallocate()
  }

  /// By which other rings name this one. Never used for calls here.
  var descriptor: Int32 { unsafe ring.pointee.ring_fd }

  /// Throws ENOSYS when the kernel lacks an operation.
  package func require(_ operation: Int32, named name: String) throws(KernelError) {
    let supported = try KernelError.check("io_uring_register(PROBE)", unsafe guise_probe_op(ring, operation))
    guard supported == 1 else { throw KernelError("io_uring operation \(name)", errno: ENOSYS) }
  }

  /// Lets a restricted ring begin, with these operations and no others (IORING_REGISTER_RESTRICTIONS). What it
  /// has registered stays; from now on it registers files and nothing else.
  func enable(_ operations: [io_uring_op], flags: UInt8) throws(KernelError) {
    var restrictions = operations.map {
      var restriction = io_uring_restriction()
      restriction.opcode = UInt16(IORING_RESTRICTION_SQE_OP)
      restriction.sqe_op = UInt8($0.rawValue)
      return restriction
    }
    var allowed = io_uring_restriction()
    allowed.opcode = UInt16(IORING_RESTRICTION_SQE_FLAGS_ALLOWED)
    allowed.sqe_flags = flags
    restrictions.append(allowed)
    // Its own descriptor is given back by the latter (io_uring_queue_exit(3)).
    for registration in [IORING_REGISTER_FILES_UPDATE, IORING_UNREGISTER_RING_FDS] {
      var restriction = io_uring_restriction()
      restriction.opcode = UInt16(IORING_RESTRICTION_REGISTER_OP)
      restriction.register_op = UInt8(registration)
      restrictions.append(restriction)
    }
    let result = unsafe guise_restrict_ring(ring, &restrictions, UInt32(restrictions.count))
    try KernelError.check("io_uring_register(RESTRICTIONS)", result)
    try KernelError.check("io_uring_register(ENABLE_RINGS)", unsafe guise_enable_ring(ring))
  }

  // Registered files.

  /// Makes room for `count` descriptors; limited by RLIMIT_NOFILE.
  package func registerFiles(count: UInt32) throws(KernelError) {
    try KernelError.check(
      "io_uring_register(FILES2) of \(count) slots", unsafe io_uring_register_files_sparse(ring, count))
  }

  /// Puts a descriptor into a slot, or empties it with -1. The ring keeps its own reference.
  package func setFile(_ descriptor: Int32, slot: Int32) throws(KernelError) {
    var descriptor = descriptor
    try KernelError.check(
      "io_uring_register(FILES_UPDATE)",
      unsafe io_uring_register_files_update(ring, UInt32(slot), &descriptor, 1))
  }

  /// Empties the first `count` slots.
  func dropFiles(count: Int) {
    let none = [Int32](repeating: -1, count: count)
    _ = unsafe io_uring_register_files_update(ring, 0, none, UInt32(count))
  }

  /// Registers memory of `entries` × 16 bytes as the provided-buffer ring of a group.
  package func registerBufferRing(_ memory: UnsafeMutableRawPointer, entries: UInt32, group: UInt16)
    throws(KernelError)
  {
    var request = io_uring_buf_reg()
    request.ring_addr = UInt64(UInt(bitPattern: memory))
    request.ring_entries = entries
    request.bgid = group
    try KernelError.check(
      "io_uring_register(PBUF_RING)", unsafe io_uring_register_buf_ring(ring, &request, 0))
  }

  // Submission.

  /// An empty entry; submits what is queued first when the queue is full.
  @inline(__always)
  package func entry() -> UnsafeMutablePointer<io_uring_sqe> {
    if let entry = unsafe io_uring_get_sqe(ring) { return unsafe entry }
    return unsafe entryAfterSubmission()
  }

  @inline(never)
  private func entryAfterSubmission() -> UnsafeMutablePointer<io_uring_sqe> {
    submit()
    return unsafe io_uring_get_sqe(ring)!
  }

  /// Submits what is queued without waiting: all of it, where the kernel is short of memory and stops (EAGAIN), too.
  @inline(__always)
  package func submit() {
    while unsafe io_uring_sq_ready(ring) > 0 { _ = unsafe io_uring_submit(ring) }
  }

  /// Submits what is queued and runs no pending work, so that what completes by this is of what was queued.
  func sendOff() {
    _ = unsafe guise_enter(ring, 0, 0, nil, 0)
    submit()
  }

  /// Submits and waits for a completion, at most `timeout` nanoseconds (`UInt64.max`: for ever).
  package func submitAndWait(timeout: UInt64) throws(KernelError) {
    let result = unsafe guise_submit_and_wait(ring, timeout)
    switch -result {
    case Int32.min...0, ETIME, EINTR, EBUSY, EAGAIN: return
    default: throw KernelError("io_uring_enter", errno: -result)
    }
  }

  /// Whether requests may be able to go on if the owner asked for completions again: a multishot receive
  /// that has had its turn, for one. A hint (`IORING_SETUP_TASKRUN_FLAG`).
  package var hasPendingWork: Bool {
    unsafe guise_sq_flags(ring) & IORING_SQ_TASKRUN != 0
  }

  // Completion.

  /// Completions that the kernel has posted and `nextCompletion` has not returned yet.
  package var readyCount: UInt32 { unsafe io_uring_cq_ready(ring) &- head }

  /// Bytes that these have brought.
  var readyByteCount: Int {
    var sum = 0
    for position in head..<(unsafe io_uring_cq_ready(ring)) {
      // Safety: as in `nextCompletion`.
      let index = unsafe (ring.pointee.cq.khead.pointee &+ position) & ring.pointee.cq.ring_mask
      sum &+= unsafe Int(max(0, ring.pointee.cq.cqes[Int(index)].res))
    }
    return sum
  }

  /// The completion that so many others precede; nil when it is not there yet.
  @inline(__always)
  func completion(ahead: UInt32) -> Completion? {
    head &+ ahead < ready ? completion(at: head &+ ahead) : nil
  }

  /// The next completion; nil when this batch is used up. The queue is advanced once a batch.
  @inline(__always)
  package mutating func nextCompletion() -> Completion? {
    if head == ready {
      unsafe io_uring_cq_advance(ring, head)
      head = 0
      ready = unsafe io_uring_cq_ready(ring)
      if ready == 0 { return nil }
    }
    defer { head &+= 1 }
    return completion(at: head)
  }

  /// `place` is below `ready`.
  @inline(__always)
  private func completion(at place: UInt32) -> Completion {
    // Safety: khead + ready is ktail, which io_uring_cq_ready has read.
    let index = unsafe (ring.pointee.cq.khead.pointee &+ place) & ring.pointee.cq.ring_mask
    let cqe = unsafe ring.pointee.cq.cqes + Int(index)
    return unsafe Completion(
      token: Token(rawValue: cqe.pointee.user_data), result: cqe.pointee.res, flags: cqe.pointee.flags)
  }
}

/// One completion queue entry.
package struct Completion: BitwiseCopyable {
  package var token: Token
  /// Bytes, or -errno.
  package var result: Int32
  package var flags: UInt32

  /// Whether a multishot request lives on.
  package var hasMore: Bool { flags & UInt32(IORING_CQE_F_MORE) != 0 }
  /// The provided buffer that was used; nil when none was.
  package var buffer: BufferID? {
    guard flags & UInt32(IORING_CQE_F_BUFFER) != 0 else { return nil }
    return BufferID(truncatingIfNeeded: flags &>> UInt32(IORING_CQE_BUFFER_SHIFT))
  }
}
