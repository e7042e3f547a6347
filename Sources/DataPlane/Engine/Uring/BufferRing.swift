internal import CLiburing

/// A provided-buffer ring: the buffers of one class that the kernel may receive into
/// (io_uring_setup_buf_ring(3)). A buffer's identifier there is its identifier in the pool.
@safe
struct BufferRing: ~Copyable {
  static let noGroup = UInt16.max
  private let memory: Region
  private let entries: UInt32
  private let kind: BufferPool.Class
  let group: UInt16

  init(_ ring: borrowing Ring, kind: BufferPool.Class, count: Int) throws(KernelError) {
    var entries: UInt32 = 1
    while Int(entries) < count { entries *= 2 }
    let memory = try Region(byteCount: Int(entries) * 16)
    try unsafe ring.registerBufferRing(memory.base, entries: entries, group: UInt16(kind.rawValue))
    unsafe io_uring_buf_ring_init(memory.base.assumingMemoryBound(to: io_uring_buf_ring.self))
    self.memory = memory
    self.entries = entries
    self.kind = kind
    group = UInt16(kind.rawValue)
  }

  /// Lends all free buffers to the kernel; returns how many.
  @inline(__always)
  mutating func lend(from buffers: inout BufferPool) -> Int {
    let ring = unsafe memory.base.assumingMemoryBound(to: io_uring_buf_ring.self)
    var count: UInt32 = 0
    while let id = buffers.take(kind) {
      unsafe guise_buf_ring_put(
        ring, buffers.base(id), UInt32(Limits.bufferStride), id, entries &- 1, count)
      count &+= 1
    }
    if count > 0 { unsafe guise_buf_ring_publish(ring, count) }
    return Int(count)
  }
}
