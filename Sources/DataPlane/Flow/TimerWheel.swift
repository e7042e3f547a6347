/// Deadlines of flows, by index: O(1) to set, to move and to cancel; an idle wheel costs nothing.
///
/// One level of 4096 slots of 4.2 ms: thousands of flows that acknowledge once a second do so in small
/// portions (docs/decisions/0031-many-flows.md). A deadline further away than the 17 s of the wheel waits in
/// the last slot and is looked at again there: the caller computes the true deadline and sets it anew. Fires
/// up to one slot late, never early.
@safe
struct TimerWheel: ~Copyable {
  /// log2 of a slot's length in nanoseconds.
  private static let tickShift: UInt64 = 22
  private static let slotCount: UInt64 = 4_096
  /// Words of `occupied`.
  private static let wordCount = Int(slotCount) / 64
  static let none = UInt32.max

  private struct Node: BitwiseCopyable {
    /// Index + 1, so that zeroed memory is an unlinked node.
    var next: UInt32
    var previous: UInt32
    /// Slot + 1; 0 when not set.
    var slot: UInt16
  }

  /// Memory that each timer takes, in bytes.
  static let bytesPerTimer = MemoryLayout<Node>.stride

  private let nodeRegion: Region
  private let slotRegion: Region
  private let nodes: UnsafeMutablePointer<Node>
  /// Index + 1 of each slot's first node.
  private let heads: UnsafeMutablePointer<UInt32>
  /// A bit for each slot that has one: every turn asks for the next.
  private var occupied = InlineArray<64, UInt64>(repeating: 0)
  private let capacity: Int
  /// The last tick whose slot was emptied.
  private var current: UInt64
  private(set) var count = 0

  init(capacity: Int, now: UInt64) throws(KernelError) {
    let nodeRegion = try Region.array(of: Node.self, count: capacity)
    let slotRegion = try Region.array(of: UInt32.self, count: Int(Self.slotCount))
    unsafe nodes = nodeRegion.bound(to: Node.self)
    unsafe heads = slotRegion.bound(to: UInt32.self)
    self.nodeRegion = nodeRegion
    self.slotRegion = slotRegion
    self.capacity = capacity
    current = now >> Self.tickShift
  }

  /// Sets or moves the timer of `index`.
  mutating func set(_ index: UInt32, at deadline: UInt64) {
    let tick = min(max((deadline >> Self.tickShift) &+ 1, current &+ 1), current &+ Self.slotCount &- 1)
    let slot = Int(tick % Self.slotCount)
    precondition(Int(index) < capacity)
    // Safety: index is below capacity, slot below slotCount; links hold only indices that passed here.
    guard unsafe nodes[Int(index)].slot != UInt16(slot + 1) else { return }
    cancel(index)
    let first = unsafe heads[slot]
    unsafe nodes[Int(index)] = Node(next: first, previous: 0, slot: UInt16(slot + 1))
    if first != 0 { unsafe nodes[Int(first - 1)].previous = index + 1 }
    unsafe heads[slot] = index + 1
    occupied[slot >> 6] |= 1 << UInt64(slot & 63)
    count += 1
  }

  /// Takes the timer of `index` away, if it is set.
  mutating func cancel(_ index: UInt32) {
    precondition(Int(index) < capacity)
    let node = unsafe nodes[Int(index)]
    guard node.slot != 0 else { return }
    if node.previous == 0 {
      let slot = Int(node.slot) - 1
      unsafe heads[slot] = node.next
      if node.next == 0 { occupied[slot >> 6] &= ~(1 << UInt64(slot & 63)) }
    } else {
      unsafe nodes[Int(node.previous - 1)].next = node.next
    }
    if node.next != 0 { unsafe nodes[Int(node.next - 1)].previous = node.previous }
    unsafe nodes[Int(index)] = Node(next: 0, previous: 0, slot: 0)
    count -= 1
  }

  /// One index whose slot has passed, its timer taken away; nil when there is none left.
  mutating func popExpired(now: UInt64) -> UInt32? {
    let nowTick = now >> Self.tickShift
    guard count > 0 else {
      current = max(current, nowTick)
      return nil
    }
    // After a long sleep one turn of the wheel meets every slot.
    if nowTick > current &+ Self.slotCount { current = nowTick &- Self.slotCount }
    while current <= nowTick {
      let head = unsafe heads[Int(current % Self.slotCount)]
      if head != 0 {
        cancel(head - 1)
        return head - 1
      }
      if current == nowTick { break }
      current += 1
    }
    return nil
  }

  /// When `popExpired` may have something next; `UInt64.max` when no timer is set.
  func nextDeadline() -> UInt64 {
    guard count > 0 else { return .max }
    let first = Int(current % Self.slotCount)
    // The bits from the current slot on, around the wheel and back to those before it in the first word.
    for step in 0...Self.wordCount {
      let word = ((first >> 6) + step) & (Self.wordCount - 1)
      var bits = occupied[word]
      if step == 0 { bits &= .max << UInt64(first & 63) }
      if step == Self.wordCount { bits &= ~(.max << UInt64(first & 63)) }
      guard bits != 0 else { continue }
      let slot = word << 6 | bits.trailingZeroBitCount
      return (current &+ UInt64((slot - first) & (Int(Self.slotCount) - 1))) << Self.tickShift
    }
    return .max
  }
}
