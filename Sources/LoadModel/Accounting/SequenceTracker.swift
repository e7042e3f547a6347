/// What one arrival is, seen from its sequence number.
package enum SequenceVerdict: Equatable, Sendable {
  /// Higher than all before it.
  case inOrder
  /// New, but something higher came first (RFC 4737 §3.3).
  case reordered
  case duplicated
  /// So far behind that nobody remembers whether it came before.
  case stale
}

/// Tells loss, duplication and reordering of one flow apart.
///
/// Remembers the last `windowSize` sequence numbers below the highest, one bit each. Sequence numbers
/// start at 0; what never came up to the highest counts as lost, and so does what came stale.
@safe
package struct SequenceTracker: ~Copyable {
  /// Sequence numbers remembered; a power of two.
  package static let windowSize: UInt64 = 16_384

  /// Arrivals of numbers not seen before, stale ones excepted.
  package private(set) var distinct: UInt64 = 0
  package private(set) var reordered: UInt64 = 0
  package private(set) var duplicated: UInt64 = 0
  package private(set) var stale: UInt64 = 0

  // The next number in order: one more than the highest seen.
  private var next: UInt64 = 0
  // Safety: a ring of `windowSize` bits, owned; bit `n % windowSize` says whether n came, for the
  // `windowSize` numbers below `next`.
  // (No compound assignments on it: Swift 6.3.1's thread sanitizer emits invalid code for them.)
  private let words: UnsafeMutablePointer<UInt64>
  private static let wordCount = Int(windowSize / 64)

  package init() {
    unsafe words = .allocate(capacity: Self.wordCount)
    unsafe words.initialize(repeating: 0, count: Self.wordCount)
  }

  deinit { unsafe words.deallocate() }

  /// The highest sequence number that came; nil before the first.
  package var highest: UInt64? { next == 0 ? nil : next - 1 }

  /// Numbers up to the highest that did not come.
  package var lost: UInt64 { next - distinct }

  /// Takes one arrival into account.
  @inline(__always)
  @discardableResult
  package mutating func record(_ sequence: UInt64) -> SequenceVerdict {
    // The last number has no successor to expect: recordUnexpected turns it away.
    if sequence == next, sequence < UInt64.max {
      advance(to: sequence)
      return .inOrder
    }
    return recordUnexpected(sequence)
  }

  private mutating func recordUnexpected(_ sequence: UInt64) -> SequenceVerdict {
    guard sequence < UInt64.max else {
      stale += 1
      return .stale
    }
    if sequence > next {
      forget(from: next, to: sequence)
      advance(to: sequence)
      return .inOrder
    }
    guard next - sequence <= Self.windowSize else {
      stale += 1
      return .stale
    }
    let (index, mask) = Self.place(sequence)
    guard unsafe words[index] & mask == 0 else {
      duplicated += 1
      return .duplicated
    }
    unsafe words[index] = words[index] | mask
    distinct += 1
    reordered += 1
    return .reordered
  }

  // The ring's oldest bit gives way to the number that is now the highest.
  @inline(__always)
  private mutating func advance(to sequence: UInt64) {
    let (index, mask) = Self.place(sequence)
    unsafe words[index] = words[index] | mask
    distinct += 1
    next = sequence + 1
  }

  /// Clears the bits of the numbers that were skipped, `first..<end`.
  private mutating func forget(from first: UInt64, to end: UInt64) {
    guard end - first < Self.windowSize else {
      unsafe words.update(repeating: 0, count: Self.wordCount)
      return
    }
    var number = first
    while number < end {
      let (index, mask) = Self.place(number)
      if mask == 1, end - number >= 64 {
        unsafe words[index] = 0
        number += 64
      } else {
        unsafe words[index] = words[index] & ~mask
        number += 1
      }
    }
  }

  // Safety: `index` is below `wordCount`, because the number is reduced modulo `windowSize`.
  @inline(__always)
  private static func place(_ sequence: UInt64) -> (index: Int, mask: UInt64) {
    (Int(truncatingIfNeeded: (sequence & (windowSize - 1)) >> 6), 1 << (sequence & 63))
  }
}
