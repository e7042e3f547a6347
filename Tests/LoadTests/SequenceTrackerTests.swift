import LoadModel
import Testing

/// The same rules told with a set: slow, and plainly right.
private struct NaiveTracker {
  var seen: Set<UInt64> = []
  var highest: UInt64?
  var reordered: UInt64 = 0
  var duplicated: UInt64 = 0
  var stale: UInt64 = 0

  var lost: UInt64 { highest.map { $0 + 1 - UInt64(seen.count) } ?? 0 }

  mutating func record(_ sequence: UInt64) -> SequenceVerdict {
    guard let before = highest, sequence <= before else {
      highest = sequence
      seen.insert(sequence)
      return .inOrder
    }
    if before - sequence >= SequenceTracker.windowSize {
      stale += 1
      return .stale
    }
    if seen.contains(sequence) {
      duplicated += 1
      return .duplicated
    }
    seen.insert(sequence)
    reordered += 1
    return .reordered
  }
}

@Suite("Sequence tracking")
struct SequenceTrackerTests {
  @Test("A fresh tracker has seen and lost nothing")
  func fresh() {
    let tracker = SequenceTracker()
    #expect(tracker.highest == nil)
    #expect(tracker.lost == 0)
    #expect(tracker.distinct == 0)
  }

  @Test("In-order arrivals lose nothing, over many windows")
  func inOrder() {
    var tracker = SequenceTracker()
    let count = 3 * SequenceTracker.windowSize + 17
    for sequence in 0..<count { #expect(tracker.record(sequence) == .inOrder) }
    #expect(tracker.distinct == count)
    #expect(tracker.lost == 0)
    #expect(tracker.highest == count - 1)
  }

  @Test("A gap is lost until it is filled, and then reordered")
  func gap() {
    var tracker = SequenceTracker()
    tracker.record(0)
    #expect(tracker.record(3) == .inOrder)
    #expect(tracker.lost == 2)
    #expect(tracker.record(1) == .reordered)
    #expect(tracker.record(1) == .duplicated)
    #expect(tracker.lost == 1)
    #expect(tracker.reordered == 1)
    #expect(tracker.duplicated == 1)
  }

  @Test("Datagrams missing before the first arrival count as lost")
  func lateStart() {
    var tracker = SequenceTracker()
    tracker.record(5)
    #expect(tracker.lost == 5)
    #expect(tracker.record(4) == .reordered)
  }

  @Test("The window's last number is remembered, the one before it is stale")
  func windowEdge() {
    var tracker = SequenceTracker()
    for sequence in 0...SequenceTracker.windowSize { tracker.record(sequence) }
    #expect(tracker.record(1) == .duplicated)
    #expect(tracker.record(0) == .stale)
    #expect(tracker.stale == 1)
    #expect(tracker.lost == 0)
  }

  @Test(
    "A leap forgets what it passes over",
    arguments: [-65, -64, -63, -1, 0, 1, 63, 64, 65].map { Int(SequenceTracker.windowSize) + $0 })
  func leap(distance: Int) {
    var tracker = SequenceTracker()
    for sequence in 0..<100 as Range<UInt64> { tracker.record(sequence) }
    let target = 99 + UInt64(distance)
    #expect(tracker.record(target) == .inOrder)
    #expect(tracker.lost == UInt64(distance) - 1)
    let oldest = target - SequenceTracker.windowSize + 1
    for sequence in oldest..<target {
      #expect(tracker.record(sequence) == (sequence < 100 ? .duplicated : .reordered))
    }
    #expect(tracker.record(target) == .duplicated)
  }

  @Test("The highest number there is does not trap")
  func extremes() {
    var tracker = SequenceTracker()
    #expect(tracker.record(.max) == .stale)
    #expect(tracker.record(.max - 1) == .inOrder)
    #expect(tracker.record(.max) == .stale)
    #expect(tracker.record(0) == .stale)
    #expect(tracker.highest == UInt64.max - 1)
  }

  @Test("It agrees with a naive twin on random input", arguments: 1...40)
  func naiveTwin(seed: Int) {
    var random = RandomSource(seed: UInt64(seed))
    var tracker = SequenceTracker()
    var twin = NaiveTracker()
    // Short leaps for most seeds, leaps about the window's size for the others.
    let spread =
      seed.isMultiple(of: 4) ? UInt32(SequenceTracker.windowSize) * 2 : UInt32(1 << (seed % 12 + 1))
    var position: UInt64 = 0
    for step in 0..<6_000 {
      let choice = random.next(below: 100)
      let sequence: UInt64
      if choice < 60 {
        position += 1
        sequence = position
      } else if choice < 80 {
        position += UInt64(random.next(below: spread)) + 1
        sequence = position
      } else {
        let back = UInt64(random.next(below: spread))
        sequence = position > back ? position - back : 0
      }
      let verdict = tracker.record(sequence)
      #expect(verdict == twin.record(sequence), "seed \(seed), step \(step), sequence \(sequence)")
    }
    #expect(tracker.highest == twin.highest)
    #expect(tracker.distinct == UInt64(twin.seen.count))
    #expect(tracker.lost == twin.lost)
    #expect(tracker.reordered == twin.reordered)
    #expect(tracker.duplicated == twin.duplicated)
    #expect(tracker.stale == twin.stale)
  }
}
