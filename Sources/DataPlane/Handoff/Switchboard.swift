internal import CLiburing
internal import Glibc

/// What one worker passes to another.
struct Handoff: BitwiseCopyable {
  enum Kind: UInt8 {
    /// A packet from TUN that belongs to a flow of the receiver; the buffer is lent.
    case packet
    /// A lent buffer comes home.
    case homecoming
  }
  var kind: Kind
  /// The sender's identifier of the buffer (packet), the receiver's own (homecoming).
  var buffer: BufferID
  var length: UInt32
  var memory: UInt
}

/// A ring for every ordered pair of workers, and the descriptor that wakes each worker.
///
/// Made before the workers start and freed after they have ended. A trivial handle.
@safe
struct Switchboard: @unchecked Sendable {
  let workerCount: Int
  private let rings: UnsafeMutablePointer<SPSCRing<Handoff>>
  /// eventfd(2) of each worker.
  private let wakeDescriptors: UnsafeMutablePointer<Int32>

  init(workerCount: Int) throws(KernelError) {
    self.workerCount = workerCount
    unsafe wakeDescriptors = .allocate(capacity: workerCount)
    unsafe rings = .allocate(capacity: workerCount * workerCount)
    for index in 0..<workerCount * workerCount {
      unsafe (rings + index).initialize(to: SPSCRing(capacity: Limits.handoffRingCapacity))
    }
    for worker in 0..<workerCount {
      let descriptor = guise_eventfd()
      guard descriptor >= 0 else {
        for opened in 0..<worker { unsafe close(wakeDescriptors[opened]) }
        freeMemory()
        throw KernelError("eventfd", errno: -descriptor)
      }
      unsafe wakeDescriptors[worker] = descriptor
    }
  }

  /// Frees rings and descriptors; no worker may run any more.
  func deallocate() {
    for worker in 0..<workerCount { unsafe close(wakeDescriptors[worker]) }
    freeMemory()
  }

  private func freeMemory() {
    for index in 0..<workerCount * workerCount { unsafe rings[index].deallocate() }
    unsafe rings.deallocate()
    unsafe wakeDescriptors.deallocate()
  }

  @inline(__always)
  func ring(from: Int, to: Int) -> SPSCRing<Handoff> {
    precondition(from < workerCount && to < workerCount && from != to)
    return unsafe rings[from &* workerCount &+ to]
  }

  func wakeDescriptor(of worker: Int) -> Int32 {
    precondition(worker < workerCount)
    return unsafe wakeDescriptors[worker]
  }

  /// Makes a worker come out of its wait. Safe from any thread.
  func wake(_ worker: Int) { _ = guise_eventfd_signal(wakeDescriptor(of: worker)) }
}
