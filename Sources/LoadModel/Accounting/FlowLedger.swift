/// What is known of one flow's arrivals.
package struct FlowTally: ~Copyable {
  package let run: UInt32
  package let flow: UInt16
  package fileprivate(set) var received: UInt64 = 0
  package fileprivate(set) var bytes: UInt64 = 0
  /// The longest time from one arrival to the next, in nanoseconds.
  package private(set) var longestSilence: UInt64 = 0
  /// `CLOCK_MONOTONIC` in nanoseconds.
  package private(set) var lastArrival: UInt64 = 0
  package fileprivate(set) var tracker = SequenceTracker()

  init(run: UInt32, flow: UInt16) {
    self.run = run
    self.flow = flow
  }

  /// Batches are taken in the order in which they came.
  @inline(__always)
  fileprivate mutating func note(arrival: UInt64) {
    if lastArrival > 0 { longestSilence = max(longestSilence, arrival - lastArrival) }
    lastArrival = arrival
  }
}

/// A receiver's book: every datagram is verified, counted, and followed up by flow.
///
/// Allocates when a flow is seen for the first time, never for later datagrams. Single owner.
@safe
package struct FlowLedger: ~Copyable {
  /// Genuine datagrams, duplicates included.
  package private(set) var received: UInt64 = 0
  /// Payload of the genuine datagrams.
  package private(set) var bytes: UInt64 = 0
  package private(set) var corrupt: UInt64 = 0
  /// Genuine datagrams without a sequence number, because they are too short or were not looked at.
  package private(set) var anonymous: UInt64 = 0
  /// `CLOCK_MONOTONIC` in nanoseconds of the first and the last genuine datagram; 0 before the first.
  package private(set) var firstArrival: UInt64 = 0
  package private(set) var lastArrival: UInt64 = 0
  package private(set) var flowCount = 0

  private let content = DatagramContent()
  private let verification: Verification

  // Safety: `tallies` holds `flowCount` initialised elements of `capacity`. `slots` is an open-addressed
  // table of `2 * capacity` (a power of two, so at most half full) indices into `tallies`; -1 is free.
  private var tallies: UnsafeMutablePointer<FlowTally>
  private var slots: UnsafeMutablePointer<Int32>
  private var capacity: Int

  /// Room for `flowCapacity` flows before the first growth (rounded up to a power of two).
  package init(verification: Verification, flowCapacity: Int = 64) {
    self.verification = verification
    capacity = 1
    while capacity < flowCapacity { capacity *= 2 }
    unsafe tallies = .allocate(capacity: capacity)
    unsafe slots = .allocate(capacity: 2 * capacity)
    unsafe slots.initialize(repeating: -1, count: 2 * capacity)
  }

  deinit {
    unsafe tallies.deinitialize(count: flowCount)
    unsafe tallies.deallocate()
    unsafe slots.deallocate()
  }

  /// Takes one datagram that came at `arrival` (nanoseconds) into account, and says what it was.
  @inline(__always)
  @discardableResult
  package mutating func record(_ datagram: RawSpan, arrival: UInt64) -> DatagramVerdict {
    let verdict = content.verify(datagram, verification)
    switch verdict {
    case .corrupt:
      corrupt += 1
      return verdict
    case .opening:
      return verdict
    case .anonymous:
      anonymous += 1
    case .numbered(let head):
      let index = find(run: head.run, flow: head.flow)
      unsafe tallies[index].received += 1
      unsafe tallies[index].bytes += UInt64(datagram.byteCount)
      unsafe tallies[index].note(arrival: arrival)
      unsafe tallies[index].tracker.record(head.sequence)
    }
    received += 1
    bytes += UInt64(datagram.byteCount)
    if firstArrival == 0 { firstArrival = arrival }
    lastArrival = arrival
    return verdict
  }

  /// Calls `body` with every flow in order of first appearance.
  package func forEachFlow(_ body: (borrowing FlowTally) -> Void) {
    for index in 0..<flowCount { unsafe body(tallies[index]) }
  }

  /// The index of a flow's tally, which is made when there is none.
  @inline(__always)
  private mutating func find(run: UInt32, flow: UInt16) -> Int {
    let mask = 2 * capacity - 1
    var slot = Self.hash(run, flow) & mask
    while true {
      let index = unsafe Int(slots[slot])
      guard index >= 0 else { return open(run: run, flow: flow) }
      if unsafe tallies[index].run == run, unsafe tallies[index].flow == flow { return index }
      slot = (slot + 1) & mask
    }
  }

  private mutating func open(run: UInt32, flow: UInt16) -> Int {
    if flowCount == capacity { grow() }
    let index = flowCount
    unsafe (tallies + index).initialize(to: FlowTally(run: run, flow: flow))
    flowCount += 1
    enter(index)
    return index
  }

  private mutating func enter(_ index: Int) {
    let mask = 2 * capacity - 1
    var slot = unsafe Self.hash(tallies[index].run, tallies[index].flow) & mask
    while unsafe slots[slot] >= 0 { slot = (slot + 1) & mask }
    unsafe slots[slot] = Int32(index)
  }

  private mutating func grow() {
    let larger = UnsafeMutablePointer<FlowTally>.allocate(capacity: 2 * capacity)
    unsafe larger.moveInitialize(from: tallies, count: flowCount)
    unsafe tallies.deallocate()
    unsafe tallies = larger
    capacity *= 2
    unsafe slots.deallocate()
    unsafe slots = .allocate(capacity: 2 * capacity)
    unsafe slots.initialize(repeating: -1, count: 2 * capacity)
    for index in 0..<flowCount { enter(index) }
  }

  @inline(__always)
  private static func hash(_ run: UInt32, _ flow: UInt16) -> Int {
    Int(truncatingIfNeeded: ((UInt64(run) << 16 | UInt64(flow)) &* 0x9e37_79b9_7f4a_7c15) >> 32)
  }
}
