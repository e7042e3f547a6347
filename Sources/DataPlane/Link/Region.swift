internal import Glibc

/// Anonymous memory that is zero and takes room only where it is touched (mmap(2)).
@safe
package struct Region: ~Copyable {
  package let base: UnsafeMutableRawPointer
  package let byteCount: Int

  /// Throws ENOMEM when the address space or the overcommit limit is used up.
  package init(byteCount: Int) throws(KernelError) {
    let pages = (max(byteCount, 1) + 4095) & ~4095
    let memory = unsafe mmap(
      nil, pages, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let memory = unsafe memory, unsafe memory != MAP_FAILED else {
      throw KernelError("mmap of \(pages) bytes", errno: errno)
    }
    unsafe base = memory
    self.byteCount = pages
  }

  /// Asks for pages of 2 MiB where the memory is large and touched at random: with pages of 4 KiB most
  /// accesses cost a walk of the page tables besides (transhuge.rst). A wish; small regions stay as they are,
  /// since a large page is in memory as a whole.
  func preferLargePages() {
    guard byteCount >= Self.largePagesFrom else { return }
    _ = unsafe madvise(base, byteCount, MADV_HUGEPAGE)
  }
  private static let largePagesFrom = 16 << 20

  /// `count` zeroed values.
  package static func array<T: BitwiseCopyable>(of type: T.Type, count: Int) throws(KernelError) -> Region {
    try Region(byteCount: count * MemoryLayout<T>.stride)
  }

  deinit { unsafe munmap(base, byteCount) }

  /// The memory as values; the region stays its owner. All-zero bytes must be a valid `T`.
  package func bound<T: BitwiseCopyable>(to type: T.Type) -> UnsafeMutablePointer<T> {
    unsafe base.bindMemory(to: type, capacity: byteCount / MemoryLayout<T>.stride)
  }
}
