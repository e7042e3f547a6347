internal import Synchronization

/// What is passed: as long as a hand-off.
struct Item: BitwiseCopyable {
  var number: UInt64 = 0
  var padding: UInt64 = 0
}

/// A bounded queue from one thread to another, as the measurements use it. All handles on it are equal.
protocol ItemQueue: Sendable {
  /// Producer: adds items with the numbers `first..<end` as far as they fit, visible on return; returns the
  /// number of the first that did not.
  func push(from first: UInt64, to end: UInt64) -> UInt64
  /// Consumer: takes up to `count` items out; returns how many.
  func pop(atMost count: Int) -> Int
  func deallocate()
}

/// The data plane's ring. SPSCRing.swift here is a link to its file: compiled into this module, it is
/// specialised and inlined as it is there.
struct RingQueue: ItemQueue {
  private let ring: SPSCRing<Item>

  init(capacity: Int) { ring = SPSCRing(capacity: capacity) }
  func deallocate() { ring.deallocate() }

  @inline(__always)
  func push(from first: UInt64, to end: UInt64) -> UInt64 {
    var next = first
    while next < end, ring.push(Item(number: next)) { next &+= 1 }
    ring.publish()
    return next
  }

  @inline(__always)
  func pop(atMost count: Int) -> Int {
    var taken = 0
    while taken < count, ring.pop() != nil { taken &+= 1 }
    return taken
  }
}

/// The same behind a lock.
final class LockedQueue: ItemQueue {
  /// Owns its memory, so that the lock is all that differs from the ring.
  @safe
  private struct Storage: ~Copyable {
    private let slots: UnsafeMutablePointer<Item>
    private let mask: Int
    private var head = 0
    private var tail = 0

    init(capacity: Int) {
      unsafe slots = .allocate(capacity: capacity)
      mask = capacity - 1
    }

    deinit { unsafe slots.deallocate() }

    @inline(__always)
    mutating func push(_ item: Item) -> Bool {
      guard tail &- head <= mask else { return false }
      unsafe slots[tail & mask] = item
      tail &+= 1
      return true
    }

    @inline(__always)
    mutating func pop() -> Item? {
      guard head < tail else { return nil }
      defer { head &+= 1 }
      return unsafe slots[head & mask]
    }
  }

  private let storage: Mutex<Storage>

  init(capacity: Int) { storage = Mutex(Storage(capacity: capacity)) }
  func deallocate() {}

  @inline(__always)
  func push(from first: UInt64, to end: UInt64) -> UInt64 {
    storage.withLock { storage in
      var next = first
      while next < end, storage.push(Item(number: next)) { next &+= 1 }
      return next
    }
  }

  @inline(__always)
  func pop(atMost count: Int) -> Int {
    storage.withLock { storage in
      var taken = 0
      while taken < count, storage.pop() != nil { taken &+= 1 }
      return taken
    }
  }
}
