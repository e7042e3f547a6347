internal import Synchronization

/// A bounded queue from one thread to one other, without a lock.
///
/// Indices run freely and are masked on use. Each side keeps its own copy of the other's index and looks
/// at the shared one only when the copy says full or empty, so in a steady stream the two cache lines
/// change hands once a batch. What is pushed becomes visible with `publish`.
///
/// A trivial handle, so that using it counts no references; whoever made it deallocates it.
@safe
struct SPSCRing<Element: BitwiseCopyable>: @unchecked Sendable {
  /// Each side's words have a cache line (and its prefetched neighbour) of their own.
  private let tail: UnsafeMutablePointer<Atomic<UInt>>
  private let head: UnsafeMutablePointer<Atomic<UInt>>
  private let lines: UnsafeMutableRawPointer
  private let slots: UnsafeMutablePointer<Element>
  private let mask: UInt

  /// The producer's words.
  private struct Producer {
    var next: UInt = 0
    var headSeen: UInt = 0
  }
  private struct Consumer {
    var next: UInt = 0
    var tailSeen: UInt = 0
  }
  private let producer: UnsafeMutablePointer<Producer>
  private let consumer: UnsafeMutablePointer<Consumer>

  /// `capacity` is a power of two.
  init(capacity: Int) {
    precondition(capacity > 0 && capacity & (capacity - 1) == 0)
    mask = UInt(capacity - 1)
    let line = 128
    unsafe lines = .allocate(byteCount: 4 * line, alignment: line)
    unsafe tail = lines.bindMemory(to: Atomic<UInt>.self, capacity: 1)
    unsafe producer = (lines + line).bindMemory(to: Producer.self, capacity: 1)
    unsafe head = (lines + 2 * line).bindMemory(to: Atomic<UInt>.self, capacity: 1)
    unsafe consumer = (lines + 3 * line).bindMemory(to: Consumer.self, capacity: 1)
    unsafe tail.initialize(to: Atomic(0))
    unsafe head.initialize(to: Atomic(0))
    unsafe producer.initialize(to: Producer())
    unsafe consumer.initialize(to: Consumer())
    unsafe slots = .allocate(capacity: capacity)
  }

  /// Frees the ring; no handle may be used any more.
  func deallocate() {
    unsafe tail.deinitialize(count: 1)
    unsafe head.deinitialize(count: 1)
    unsafe lines.deallocate()
    unsafe slots.deallocate()
  }

  /// Producer: adds an element; false when the ring is full.
  @inline(__always)
  func push(_ element: Element) -> Bool {
    let next = unsafe producer.pointee.next
    if unsafe next &- producer.pointee.headSeen > mask {
      unsafe producer.pointee.headSeen = head.pointee.load(ordering: .acquiring)
      guard unsafe next &- producer.pointee.headSeen <= mask else { return false }
    }
    unsafe slots[Int(next & mask)] = element
    unsafe producer.pointee.next = next &+ 1
    return true
  }

  /// Producer: makes everything pushed so far visible to the consumer.
  @inline(__always)
  func publish() { unsafe tail.pointee.store(producer.pointee.next, ordering: .releasing) }

  /// Consumer: takes the oldest element; nil when there is none.
  @inline(__always)
  func pop() -> Element? {
    let next = unsafe consumer.pointee.next
    if unsafe next == consumer.pointee.tailSeen {
      unsafe consumer.pointee.tailSeen = tail.pointee.load(ordering: .acquiring)
      guard unsafe next != consumer.pointee.tailSeen else { return nil }
    }
    let element = unsafe slots[Int(next & mask)]
    unsafe consumer.pointee.next = next &+ 1
    unsafe head.pointee.store(next &+ 1, ordering: .releasing)
    return element
  }
}
