import Glibc
import Synchronization
import Testing

@testable import DataPlane

@Suite struct SPSCRingTests {
  @Test(arguments: [1, 2, 8, 1_024])
  func `it takes as many as its capacity and no more`(capacity: Int) {
    let ring = SPSCRing<Int>(capacity: capacity)
    defer { ring.deallocate() }
    for round in 0..<3 {
      for element in 0..<capacity { #expect(ring.push(round * capacity + element)) }
      #expect(!ring.push(-1))
      ring.publish()
      #expect(!ring.push(-1))
      for element in 0..<capacity { #expect(ring.pop() == round * capacity + element) }
      #expect(ring.pop() == nil)
    }
  }

  @Test func `what is pushed is seen when it is published, not before`() {
    let ring = SPSCRing<Int>(capacity: 8)
    defer { ring.deallocate() }
    #expect(ring.pop() == nil)
    #expect(ring.push(1) && ring.push(2))
    #expect(ring.pop() == nil)
    ring.publish()
    #expect(ring.push(3))
    #expect(ring.pop() == 1)
    #expect(ring.pop() == 2)
    #expect(ring.pop() == nil)
    ring.publish()
    #expect(ring.pop() == 3)
    ring.publish()
    #expect(ring.pop() == nil)
  }

  @Test func `one place that came free can be used at once`() {
    let ring = SPSCRing<Int>(capacity: 4)
    defer { ring.deallocate() }
    for element in 0..<4 { _ = ring.push(element) }
    ring.publish()
    for element in 4..<1_000 {
      #expect(!ring.push(element))
      #expect(ring.pop() == element - 4)
      #expect(ring.push(element))
      ring.publish()
    }
  }

  @Test(arguments: Seeds.all)
  func `any sequence of operations is that of a queue`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let ring = SPSCRing<Int>(capacity: 16)
    defer { ring.deallocate() }
    var published = [Int]()
    var pushed = [Int]()
    var next = 0
    for step in 0..<20_000 {
      switch Int.random(in: 0..<5, using: &random) {
      case 0, 1:
        let isPushed = ring.push(next)
        guard isPushed == (published.count + pushed.count < 16) else {
          Issue.record("step \(step): push was \(isPushed)")
          return
        }
        if isPushed { pushed.append(next) }
        next += 1
      case 2:
        ring.publish()
        published += pushed
        pushed = []
      default:
        let wanted = published.isEmpty ? nil : published.removeFirst()
        let found = ring.pop()
        guard found == wanted else {
          Issue.record("step \(step): \(String(describing: found)), not \(String(describing: wanted))")
          return
        }
      }
    }
  }

  /// Two words that belong together: a torn or early read would show.
  private struct Item: BitwiseCopyable {
    var number: UInt64
    var check: UInt64
    init(_ number: UInt64) {
      self.number = number
      check = number &* 0x9e37_79b9_7f4a_7c15
    }
    var isWhole: Bool { check == number &* 0x9e37_79b9_7f4a_7c15 }
  }

  @Test(arguments: [2, 64, 1_024])
  func `a million items pass from one thread to another whole and in order`(capacity: Int) {
    let ring = SPSCRing<Item>(capacity: capacity)
    defer { ring.deallocate() }
    let total: UInt64 = capacity == 2 ? 100_000 : 1_000_000
    let failedAt = Atomic<UInt64>(.max)
    runConcurrently(
      {
        var sent: UInt64 = 0
        while sent < total, failedAt.load(ordering: .relaxed) == .max {
          // Batches of all lengths, up to more than fits.
          let end = min(total, sent + 1 + sent % 97)
          while sent < end, ring.push(Item(sent)) { sent += 1 }
          ring.publish()
          if sent < end { sched_yield() }
        }
      },
      {
        var expected: UInt64 = 0
        while expected < total {
          guard let item = ring.pop() else {
            sched_yield()
            continue
          }
          guard item.number == expected, item.isWhole else {
            failedAt.store(expected, ordering: .relaxed)
            return
          }
          expected += 1
        }
      })
    let firstFailure = failedAt.load(ordering: .relaxed)
    #expect(firstFailure == .max)
    #expect(ring.pop() == nil)
  }

  @Test func `a capacity that is no power of two traps`() async {
    await #expect(processExitsWith: .failure) { _ = SPSCRing<Int>(capacity: 12) }
  }
}
