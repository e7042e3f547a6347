internal import CLiburing

/// An index from hashes to flow indices: open addressing, linear probing, backward-shift deletion.
///
/// Holds no keys: who looks up says whether a candidate is the one. Eight entries share a cache line, and
/// the candidate's flow is touched next anyway. Fixed capacity, at most half full.
@safe
struct KeyIndex: ~Copyable {
  private struct Entry: BitwiseCopyable {
    var tag: UInt32
    /// Index + 1; 0 when empty.
    var value: UInt32
  }

  private let region: Region
  private let entries: UnsafeMutablePointer<Entry>
  private let mask: UInt32
  private(set) var count = 0

  /// Memory that an index of this capacity takes when it is full, in bytes.
  static func byteCount(capacity: Int) -> Int {
    var size = 16
    while size < capacity * 2 { size *= 2 }
    return size * MemoryLayout<Entry>.stride
  }

  /// Room for `capacity` values.
  init(capacity: Int) throws(KernelError) {
    let size = UInt32(Self.byteCount(capacity: capacity) / MemoryLayout<Entry>.stride)
    region = try .array(of: Entry.self, count: Int(size))
    region.preferLargePages()
    unsafe entries = region.bound(to: Entry.self)
    mask = size - 1
  }

  /// Begins to fetch where the walk for this tag starts.
  @inline(__always)
  func prefetch(_ tag: UInt32) { unsafe guise_prefetch(entries + Int(tag & mask)) }

  /// The first value with this tag, which most likely is the one; nil when there is none.
  @inline(__always)
  func candidate(_ tag: UInt32) -> UInt32? { find(tag) { _ in true } }

  /// The value with this tag for which `matches` holds.
  @inline(__always)
  func find(_ tag: UInt32, where matches: (UInt32) -> Bool) -> UInt32? {
    var slot = tag & mask
    // Safety: a slot is masked to the table; the table is never full, so an empty entry ends the walk.
    while true {
      let entry = unsafe entries[Int(slot)]
      if entry.value == 0 { return nil }
      if entry.tag == tag, matches(entry.value &- 1) { return entry.value &- 1 }
      slot = (slot &+ 1) & mask
    }
  }

  /// Adds a value that is not there yet. Traps when the table is fuller than it was made for.
  mutating func insert(_ tag: UInt32, _ value: UInt32) {
    precondition(count < Int(mask) / 2 + 1, "the index is full")
    var slot = tag & mask
    while unsafe entries[Int(slot)].value != 0 { slot = (slot &+ 1) & mask }
    unsafe entries[Int(slot)] = Entry(tag: tag, value: value &+ 1)
    count += 1
  }

  /// Removes a value and closes the gap, so that no tombstones pile up.
  mutating func remove(_ tag: UInt32, _ value: UInt32) {
    var gap = tag & mask
    while unsafe entries[Int(gap)].value != value &+ 1 {
      guard unsafe entries[Int(gap)].value != 0 else { return }
      gap = (gap &+ 1) & mask
    }
    count -= 1
    var next = (gap &+ 1) & mask
    while unsafe entries[Int(next)].value != 0 {
      let home = unsafe entries[Int(next)].tag & mask
      // Move back what would otherwise lie beyond the gap from its home.
      if (next &- home) & mask >= (next &- gap) & mask {
        unsafe entries[Int(gap)] = entries[Int(next)]
        gap = next
      }
      next = (next &+ 1) & mask
    }
    unsafe entries[Int(gap)] = Entry(tag: 0, value: 0)
  }
}
