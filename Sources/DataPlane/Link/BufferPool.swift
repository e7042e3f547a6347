/// Index of a buffer in its worker's pool.
package typealias BufferID = UInt16

/// A worker's packet memory: buffers of fixed size in four classes, each with a free list and a hold count.
///
/// A buffer is *taken* with one hold; whoever passes it on adds a hold; it is free again when the last hold
/// is released. Hold counts are plain numbers: a pool belongs to one thread. Memory is taken at start and
/// touched when first used.
@safe
struct BufferPool: ~Copyable {
  enum Class: Int, CaseIterable {
    /// Received from UDP: headroom, then up to 64 KiB of datagrams.
    case datagram
    /// Read from TUN: vnet header and a packet of up to 64 KiB.
    case packet
    /// A datagram that waits for a handshake: headroom, then as much as one segment holds.
    case pending
    /// No memory of its own: a packet buffer lent by another worker.
    case foreign
  }

  /// Where a lent buffer has to go home to.
  struct Home: BitwiseCopyable {
    var worker: UInt16
    var buffer: BufferID
  }

  /// A run of identifiers: [first, first + count).
  struct Range: BitwiseCopyable {
    var first: Int
    var count: Int
  }

  private let memory: Region
  private let tables: Region
  private let bases: UnsafeMutablePointer<UnsafeMutableRawPointer?>
  private let holds: UnsafeMutablePointer<UInt16>
  private let classes: UnsafeMutablePointer<UInt8>
  /// Links of pending lists; the class's free list is a stack of identifiers.
  private let links: UnsafeMutablePointer<BufferID>
  private let lengths: UnsafeMutablePointer<UInt32>
  private let homes: UnsafeMutablePointer<Home>
  /// Lent buffers whose last hold is gone, until the worker sends them home.
  private let homecomings: UnsafeMutablePointer<Home>
  private var homecomingCount = 0
  private let stacks: UnsafeMutablePointer<BufferID>
  private var freeCounts: InlineArray<4, Int>
  private let ranges: InlineArray<4, Range>
  let pendingByteCount: Int

  /// Buffers as `Limits` has them; `pendingPayloadMax` is the largest payload of one segment in bytes.
  init(pendingPayloadMax: Int) throws(KernelError) {
    let counts: InlineArray<4, Int> = [
      Limits.datagramBufferCount, Limits.packetBufferCount, Limits.pendingBufferCount,
      Limits.foreignBufferCount,
    ]
    pendingByteCount = (Limits.headroom + pendingPayloadMax + 63) & ~63
    let strides: InlineArray<4, Int> = [Limits.bufferStride, Limits.bufferStride, pendingByteCount, 0]
    var ranges = InlineArray<4, Range>(repeating: Range(first: 0, count: 0))
    var total = 0
    var byteCount = 0
    for index in 0..<4 {
      ranges[index] = Range(first: total, count: counts[index])
      total += counts[index]
      byteCount += counts[index] * strides[index]
    }
    self.ranges = ranges
    freeCounts = counts
    let memory = try Region(byteCount: byteCount)
    let tables = try Region(byteCount: total * 32)
    var table = unsafe tables.base
    unsafe bases = Self.carve(&table, total)
    unsafe lengths = Self.carve(&table, total)
    unsafe homes = Self.carve(&table, total)
    unsafe homecomings = Self.carve(&table, total)
    unsafe holds = Self.carve(&table, total)
    unsafe links = Self.carve(&table, total)
    unsafe stacks = Self.carve(&table, total)
    unsafe classes = Self.carve(&table, total)
    var base = unsafe memory.base
    for index in 0..<4 {
      let range = ranges[index]
      for position in 0..<range.count {
        let id = range.first + position
        unsafe bases[id] = index == Class.foreign.rawValue ? nil : base
        unsafe classes[id] = UInt8(index)
        // The first to be taken is the lowest.
        unsafe stacks[range.first + position] = BufferID(range.first + range.count - 1 - position)
        unsafe base += strides[index]
      }
    }
    self.memory = memory
    self.tables = tables
  }

  private static func carve<T>(_ table: inout UnsafeMutableRawPointer, _ count: Int) -> UnsafeMutablePointer<
    T
  > {
    let part = unsafe table.bindMemory(to: T.self, capacity: count)
    unsafe table += count * MemoryLayout<T>.stride
    return unsafe part
  }

  func range(of kind: Class) -> Range { ranges[kind.rawValue] }
  func freeCount(of kind: Class) -> Int { freeCounts[kind.rawValue] }

  /// A free buffer with one hold; nil when the class is used up.
  @inline(__always)
  mutating func take(_ kind: Class) -> BufferID? {
    let free = freeCounts[kind.rawValue]
    guard free > 0 else { return nil }
    freeCounts[kind.rawValue] = free &- 1
    // Safety: a class's stack lies in its own range; identifiers on it are below the total.
    let id = unsafe stacks[ranges[kind.rawValue].first &+ free &- 1]
    unsafe holds[Int(id)] = 1
    return id
  }

  @inline(__always)
  mutating func retain(_ id: BufferID) { unsafe holds[Int(id)] &+= 1 }

  /// Gives up one hold. A lent buffer whose last hold this was waits to be sent home.
  @inline(__always)
  mutating func release(_ id: BufferID) {
    let left = unsafe holds[Int(id)] &- 1
    unsafe holds[Int(id)] = left
    guard left == 0 else { return }
    let kind = Int(unsafe classes[Int(id)])
    let free = freeCounts[kind]
    unsafe stacks[ranges[kind].first &+ free] = id
    freeCounts[kind] = free &+ 1
    if kind == Class.foreign.rawValue {
      unsafe homecomings[homecomingCount] = homes[Int(id)]
      homecomingCount &+= 1
    }
  }

  /// A buffer of another worker that is done with here; nil when there is none.
  mutating func takeHomecoming() -> Home? {
    guard homecomingCount > 0 else { return nil }
    homecomingCount -= 1
    return unsafe homecomings[homecomingCount]
  }

  /// The first byte of a buffer.
  @inline(__always)
  func base(_ id: BufferID) -> UnsafeMutableRawPointer { unsafe bases[Int(id)].unsafelyUnwrapped }

  /// Takes in a buffer of another worker under an identifier of this pool; nil when too many are here or wait
  /// to be sent home.
  mutating func adopt(_ memory: UnsafeMutableRawPointer, home: Home) -> BufferID? {
    let range = ranges[Class.foreign.rawValue]
    let adoptedCount = range.count - freeCounts[Class.foreign.rawValue]
    // Safety: the list of homecomings has room for all identifiers, of which the foreign ones are the last.
    guard homecomingCount + adoptedCount < range.first + range.count, let id = take(.foreign) else {
      return nil
    }
    unsafe bases[Int(id)] = memory
    unsafe homes[Int(id)] = home
    return id
  }

  // A list through buffers, and how much each holds: for datagrams that wait.

  func next(_ id: BufferID) -> BufferID { unsafe links[Int(id)] }
  mutating func setNext(_ id: BufferID, _ next: BufferID) { unsafe links[Int(id)] = next }
  func length(_ id: BufferID) -> Int { Int(unsafe lengths[Int(id)]) }
  mutating func setLength(_ id: BufferID, _ length: Int) { unsafe lengths[Int(id)] = UInt32(length) }
}
