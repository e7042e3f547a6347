internal import Glibc
internal import Synchronization

/// How many flows all workers of a gateway have together, which each has room for more of than its share.
///
/// Made before the workers start and freed after they have ended. A trivial handle.
@safe
struct FlowTotal: @unchecked Sendable {
  private let count: UnsafeMutablePointer<Atomic<Int>>
  /// Flows that there may be.
  let limit: Int

  init(limit: Int) throws(KernelError) {
    self.limit = limit
    // Zeroed.
    guard let memory = unsafe calloc(1, MemoryLayout<Atomic<Int>>.stride) else {
      throw KernelError("calloc", errno: errno)
    }
    unsafe count = memory.bindMemory(to: Atomic<Int>.self, capacity: 1)
  }

  func deallocate() { unsafe free(count) }

  var isReached: Bool { unsafe count.pointee.load(ordering: .relaxed) >= limit }

  /// Counts one more; false where there are as many as there may be.
  func take() -> Bool {
    // Workers may take at the same moment: each adds first, and looks then.
    guard unsafe count.pointee.add(1, ordering: .relaxed).newValue > limit else { return true }
    giveBack()
    return false
  }

  func giveBack() { unsafe count.pointee.subtract(1, ordering: .relaxed) }
}
