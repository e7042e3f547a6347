internal import CLiburing

/// A provided-buffer ring: the buffers of one class that the kernel may receive into
/// (io_uring_setup_buf_ring(3)). A buffer's identifier there is its identifier in the pool.
///
/// The kernel takes buffers in the order in which they were lent, so lending all of them would walk through
/// all of their memory. It has only as many at once as it has needed of late: the pool hands out the buffer
/// that came back last, whose memory is still in the cache. Running dry is cheap, since what did not fit
/// waits in the socket; so the number is doubled each time, and halved when a quarter would have done for long. Where
/// they come back full of trains, it is no more than hold as many bytes as a core's cache.
@safe
struct BufferRing: ~Copyable {
  private let memory: Region
  private let entries: UInt32
  private let kind: BufferPool.Class
  let group: UInt16
  /// Buffers that the kernel has, and how many it should have.
  private(set) var lentCount = 0
  private var target: Int
  /// What it was before turns took more than usual.
  private var usualTarget: Int
  private let capacity: Int
  private var budget = BufferBudget()
  /// Since so many turns: the most that the kernel filled from one to the next.
  private var turnCount = 0
  private var filledMost = 0

  init(_ ring: borrowing Ring, kind: BufferPool.Class, count: Int) throws(KernelError) {
    let entries = Self.entryCount(for: count)
    let memory = try Region(byteCount: Self.memoryBytes(for: count))
    try unsafe ring.registerBufferRing(memory.base, entries: entries, group: UInt16(kind.rawValue))
    unsafe io_uring_buf_ring_init(memory.base.assumingMemoryBound(to: io_uring_buf_ring.self))
    self.memory = memory
    self.entries = entries
    self.kind = kind
    group = UInt16(kind.rawValue)
    capacity = count
    target = min(count, Limits.lentBufferCountMin)
    usualTarget = target
  }

  private static func entryCount(for buffers: Int) -> UInt32 {
    var entries: UInt32 = 1
    while Int(entries) < buffers { entries *= 2 }
    return entries
  }

  /// What the ring of so many buffers takes.
  static func memoryBytes(for buffers: Int) -> Int { Int(entryCount(for: buffers)) * 16 }

  /// The kernel has put so many bytes into one; a number below 0 is an error.
  @inline(__always)
  mutating func noteFilled(_ bytes: Int32) {
    lentCount &-= 1
    budget.note(Int(bytes))
  }

  /// The kernel would have needed more.
  mutating func noteShortage() {
    target = min(capacity, target * 2)
    beginWindow()
  }

  /// Turns take more than usual from now on, or no more than that: then what was enough before is enough again.
  mutating func setDeep(_ isDeep: Bool) {
    if isDeep { usualTarget = target } else { target = usualTarget }
    beginWindow()
  }

  /// Whether the kernel has none left, as far as its completions have been read.
  @inline(__always)
  var isDry: Bool { lentCount == 0 }

  /// Lends free buffers up to the target, for a turn that takes `depth` times as much as usual. To be called once a turn.
  /// `least`: no fewer for the sake of the cache.
  @inline(__always)
  mutating func lend(from buffers: inout BufferPool, depth: Int, atLeast least: Int = 0) {
    let wanted = min(target, max(budget.count(depth: depth), least))
    filledMost = max(filledMost, wanted &- lentCount)
    turnCount &+= 1
    if turnCount == Limits.lendingWindowTurns { closeWindow() }
    let ring = unsafe memory.base.assumingMemoryBound(to: io_uring_buf_ring.self)
    var count: UInt32 = 0
    while lentCount &+ Int(count) < wanted, let id = buffers.take(kind) {
      unsafe guise_buf_ring_put(
        ring, buffers.base(id), UInt32(Limits.bufferStride), id, entries &- 1, count)
      count &+= 1
    }
    if count > 0 { unsafe guise_buf_ring_publish(ring, count) }
    lentCount &+= Int(count)
  }

  private mutating func closeWindow() {
    if filledMost &* 4 <= target { target = max(target / 2, Limits.lentBufferCountMin) }
    beginWindow()
  }

  private mutating func beginWindow() {
    turnCount = 0
    filledMost = 0
  }
}
