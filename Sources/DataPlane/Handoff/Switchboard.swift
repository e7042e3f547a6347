internal import CLiburing
internal import Glibc
internal import Synchronization

/// What one worker passes to another.
struct Handoff: BitwiseCopyable {
  enum Kind: UInt8 {
    /// A packet from TUN that belongs to a flow of the receiver; the buffer is lent.
    case packet
    /// A lent buffer comes home.
    case homecoming
  }
  var kind: Kind
  /// Segments in the packet, where it has to be dropped; 255 stands for more.
  var parts: UInt8
  /// The sender's identifier of the buffer (packet), the receiver's own (homecoming).
  var buffer: BufferID
  var length: UInt32
  var memory: UInt
}

/// A ring for every ordered pair of workers, and the descriptors that wake each worker.
///
/// Made before the workers start and freed after they have ended. A trivial handle.
@safe
struct Switchboard: @unchecked Sendable {
  let workerCount: Int
  private let rings: UnsafeMutablePointer<SPSCRing<Handoff>>
  /// eventfd(2) of each worker.
  private let wakeDescriptors: UnsafeMutablePointer<Int32>
  /// Each worker's io_uring; -1 until it has one.
  private let ringDescriptors: UnsafeMutablePointer<Atomic<Int32>>

  init(workerCount: Int) throws(KernelError) {
    self.workerCount = workerCount
    unsafe wakeDescriptors = .allocate(capacity: workerCount)
    unsafe rings = .allocate(capacity: workerCount * workerCount)
    for index in 0..<workerCount * workerCount {
      unsafe (rings + index).initialize(to: SPSCRing(capacity: Limits.handoffRingCapacity))
    }
    unsafe ringDescriptors = .allocate(capacity: workerCount)
    for worker in 0..<workerCount { unsafe (ringDescriptors + worker).initialize(to: Atomic(-1)) }
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
    unsafe ringDescriptors.deinitialize(count: workerCount)
    unsafe ringDescriptors.deallocate()
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

  /// Names the io_uring of a worker, which lives as long as any worker runs.
  func announceRing(_ descriptor: Int32, of worker: Int) {
    precondition(worker < workerCount)
    unsafe ringDescriptors[worker].store(descriptor, ordering: .releasing)
  }

  /// -1 when the worker has no ring, or none yet.
  func ringDescriptor(of worker: Int) -> Int32 {
    precondition(worker < workerCount)
    return unsafe ringDescriptors[worker].load(ordering: .acquiring)
  }

  /// Makes a worker come out of its wait. Safe from any thread.
  func wake(_ worker: Int) { _ = guise_eventfd_signal(wakeDescriptor(of: worker)) }
}
