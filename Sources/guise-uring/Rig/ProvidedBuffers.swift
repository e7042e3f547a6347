internal import CLiburing
internal import DataPlane

/// Buffers that the kernel takes in the order in which they were given (io_uring_setup_buf_ring(3)).
final class ProvidedBuffers {
  private let entries: Region
  private let memory: Region
  private let stride: Int
  private let mask: UInt32
  private var givenCount: UInt32 = 0
  let group: UInt16

  /// `count` is a power of two. All buffers are given at first.
  init(_ ring: borrowing Ring, count: Int, stride: Int, group: UInt16 = 0) throws {
    precondition(count & (count - 1) == 0)
    entries = try Region(byteCount: count * 16)
    memory = try Region(byteCount: count * stride)
    self.stride = stride
    self.group = group
    mask = UInt32(count - 1)
    try unsafe ring.registerBufferRing(entries.base, entries: UInt32(count), group: group)
    unsafe io_uring_buf_ring_init(entries.base.assumingMemoryBound(to: io_uring_buf_ring.self))
    for id in 0..<count { give(UInt16(id)) }
    publish()
  }

  func base(_ id: BufferID) -> UnsafeMutableRawPointer { unsafe memory.base + Int(id) * stride }

  /// Puts a buffer back; the kernel sees it after `publish`.
  func give(_ id: BufferID) {
    unsafe guise_buf_ring_put(
      entries.base.assumingMemoryBound(to: io_uring_buf_ring.self), base(id), UInt32(stride), id, mask,
      givenCount)
    givenCount += 1
  }

  func publish() {
    unsafe guise_buf_ring_publish(
      entries.base.assumingMemoryBound(to: io_uring_buf_ring.self), givenCount)
    givenCount = 0
  }
}
