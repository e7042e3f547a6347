internal import CLiburing

/// Whether this process may use io_uring, found out by using it.
package enum UringProbe {
  /// What a worker's ring locks, with the rings of its buffers, in bytes: submissions of 64, completions of 16, and buffers
  /// of 16 each, in powers of two (io_uring_setup(2)).
  package static let lockedBytes =
    UringEngine.submissionCount * 64
    + (UringEngine.submissionCount * 4 + UringEngine.completionCount * 16 + 4_096)
    + BufferRing.memoryBytes(for: Limits.datagramBufferCount)
    + BufferRing.memoryBytes(for: Limits.packetBufferCount)

  /// Sets up a small ring the way the engine does and takes it down again; nothing else is changed.
  ///
  /// Throws EPERM where `kernel.io_uring_disabled` or a seccomp filter forbids it, ENOSYS or EINVAL on a
  /// kernel that lacks what the engine needs (Linux 6.7).
  package static func run() throws(KernelError) {
    let ring = try Ring(submissions: 4, completions: 8, isRestricted: true)
    try ring.require(Int32(GUISE_OP_READ_MULTISHOT), named: "READ_MULTISHOT (Linux 6.7)")
    try ring.registerFiles(count: 1)
    _ = try BufferRing(ring, kind: .datagram, count: 1)
    try ring.enable([IORING_OP_NOP], flags: 0)
  }
}
