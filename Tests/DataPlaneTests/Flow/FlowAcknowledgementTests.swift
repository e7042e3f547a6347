import Testing

@testable import DataPlane

@Suite struct FlowAcknowledgementTests {
  private let second = FlowFixture.second
  private let start = FlowFixture.start

  private func data(_ sequence: SequenceNumber, _ length: Int) -> Segment {
    FlowFixture.segment(.ack, sequence: sequence, length: length)
  }

  @Test func `the ack of outgoing data stays where it is until a step is full`() {
    var flow = FlowFixture.established
    var acks = Set<UInt32>()
    let segments = 4 * Limits.ackStepBytes / 1_024
    for _ in 0..<segments {
      _ = flow.receive(data(flow.receiveNext, 1_024), now: start)
      acks.insert(flow.acknowledgementForData(now: start).value)
    }
    // The place where it began, and four steps: so few that GRO at the other end can merge.
    let wanted = (0...4).map { (FlowFixture.receiveNext + $0 * Limits.ackStepBytes).value }
    #expect(acks == Set(wanted))
  }

  @Test func `while data goes the other way no pure ACK does`() {
    var flow = FlowFixture.established
    for _ in 0..<10_000 {
      let reaction = flow.receive(data(flow.receiveNext, 1_400), now: start)
      #expect(reaction.reply == nil)
      _ = flow.acknowledgementForData(now: start)
    }
  }

  @Test(arguments: [1, 100, 1_400, 65_495])
  func `a one-way stream gets a pure ACK for each mebibyte`(length: Int) {
    var flow = FlowFixture.established
    var total = 0
    var acks = 0
    while total < 4 * Limits.pureAckBytes, acks < 4 {
      let reaction = flow.receive(data(flow.receiveNext, length), now: start)
      total += length
      #expect(reaction.effect == .deliver)
      #expect(flow.unacknowledged < Limits.pureAckBytes)
      guard let reply = reaction.reply else { continue }
      acks += 1
      #expect(reply == flow.control(.ack))
      #expect(reply.acknowledgement == flow.receiveNext)
      #expect(total >= acks * Limits.pureAckBytes && total < acks * (Limits.pureAckBytes + length))
      // A byte at a time is tried once only.
      if length == 1 { break }
    }
    #expect(acks == (length == 1 ? 1 : 4) || total >= 4 * Limits.pureAckBytes)
    #expect(acks >= (length == 1 ? 1 : 3))
  }

  @Test func `the oldest outstanding byte is acknowledged a second later`() {
    var flow = FlowFixture.established
    let first = flow.receive(data(flow.receiveNext, 10), now: start)
    #expect(first.deadlineMoved)
    #expect(flow.deadline(idleNanoseconds: FlowFixture.idle) == start + second)
    // More data does not put it off.
    let more = flow.receive(data(flow.receiveNext, 10), now: start + second / 2)
    #expect(!more.deadlineMoved)
    #expect(flow.expire(now: start + second - 1, idleNanoseconds: FlowFixture.idle).reply == nil)
    let reaction = flow.expire(now: start + second, idleNanoseconds: FlowFixture.idle)
    #expect(reaction.effect == .none)
    #expect(reaction.reply == flow.control(.ack))
    #expect(reaction.reply?.acknowledgement == FlowFixture.receiveNext + 20)
    #expect(flow.unacknowledged == 0)
    // And once only.
    #expect(flow.expire(now: start + 2 * second, idleNanoseconds: FlowFixture.idle).reply == nil)
    #expect(
      flow.deadline(idleNanoseconds: FlowFixture.idle) == start + second / 2 + FlowFixture.idle)
  }

  @Test func `data that leaves half a second later acknowledges, and no pure ACK follows`() {
    var flow = FlowFixture.established
    _ = flow.receive(data(flow.receiveNext, 10), now: start)
    #expect(flow.acknowledgementForData(now: start + second / 2 - 1) == FlowFixture.receiveNext)
    #expect(flow.acknowledgementForData(now: start + second / 2) == FlowFixture.receiveNext + 10)
    #expect(flow.expire(now: start + second, idleNanoseconds: FlowFixture.idle).reply == nil)
    // What comes next, soon after that data, has a second of its own.
    flow.lastActivity = start + second / 2
    let later = start + second - 1
    let next = flow.receive(data(flow.receiveNext, 10), now: later)
    #expect(next.deadlineMoved && flow.deadline(idleNanoseconds: FlowFixture.idle) == later + second)
    #expect(flow.acknowledgementForData(now: later) == FlowFixture.receiveNext + 10)
  }

  @Test func `what comes after a pause is acknowledged by whatever leaves next`() {
    var flow = FlowFixture.established
    let later = start + second / 2
    let first = flow.receive(data(flow.receiveNext, 10), now: later)
    #expect(first.deadlineMoved)
    #expect(flow.acknowledgementForData(now: later) == FlowFixture.receiveNext + 10)
    // Once: a stream that begins like that keeps its steps.
    _ = flow.receive(data(flow.receiveNext, 10), now: later)
    #expect(flow.acknowledgementForData(now: later) == FlowFixture.receiveNext + 10)
  }

  @Test func `what comes first to a server is acknowledged by what leaves first, and nothing by nothing`() {
    var flow = FlowFixture.free
    #expect(flow.accept(data(FlowFixture.receiveNext, 0), now: start) == flow.control(.ack))
    var silent = flow
    _ = flow.receive(data(flow.receiveNext, 10), now: start)
    #expect(flow.acknowledgementForData(now: start) == FlowFixture.receiveNext + 10)
    #expect(flow.expire(now: start + second, idleNanoseconds: FlowFixture.idle).reply == nil)
    #expect(silent.expire(now: start + second, idleNanoseconds: FlowFixture.idle).reply == nil)
    #expect(silent.ackDueAt == 0)
  }

  @Test func `what comes after a pause and is not answered gets its pure ACK half a second later`() {
    var flow = FlowFixture.established
    let later = start + 25 * second
    _ = flow.receive(data(flow.receiveNext, 10), now: later)
    #expect(flow.deadline(idleNanoseconds: FlowFixture.idle) == later + second / 2)
    #expect(flow.expire(now: later + second / 2 - 1, idleNanoseconds: FlowFixture.idle).reply == nil)
    let reply = flow.expire(now: later + second / 2, idleNanoseconds: FlowFixture.idle).reply
    #expect(reply?.acknowledgement == FlowFixture.receiveNext + 10)
  }

  @Test func `a client, whom nobody watches, waits half a minute for data to send`() {
    var flow = FlowFixture.established
    flow.liveness.witness = .proven
    flow.retryAt = .max
    let keepalive = 60 * second
    func deadline() -> UInt64 { flow.deadline(idleNanoseconds: FlowFixture.idle, isWatched: true) }
    _ = flow.receive(data(flow.receiveNext, 10), now: start)
    #expect(deadline() == start + 30 * second)
    #expect(flow.acknowledgementForData(now: start + 29 * second) == FlowFixture.receiveNext + 10)
    let again = start + 29 * second
    flow.lastActivity = again
    _ = flow.receive(data(flow.receiveNext, 10), now: again)
    let due = again + 30 * second
    #expect(
      flow.expire(now: due - 1, idleNanoseconds: FlowFixture.idle, keepalive: keepalive).reply == nil)
    let reply = flow.expire(now: due, idleNanoseconds: FlowFixture.idle, keepalive: keepalive).reply
    #expect(reply?.acknowledgement == FlowFixture.receiveNext + 20 && reply?.payloadLength == 0)
    #expect(flow.unacknowledged == 0)
  }

  /// Times between datagrams each way, in milliseconds: a game's, a slow one, and one that nearly takes the second.
  @Test(arguments: [16, 100, 480, 990] as [UInt64])
  func `a conversation needs no pure ACKs, and its ack moves twice a second at most`(interval: UInt64) {
    var (flow, now) = (FlowFixture.established, start)
    var acks: Set<UInt32> = []
    let rounds = 20 * 1_000 / Int(interval)
    for _ in 0..<rounds {
      #expect(flow.receive(data(flow.receiveNext, 100), now: now).reply == nil)
      acks.insert(flow.acknowledgementForData(now: now + 1_000_000).value)
      now += interval * 1_000_000
      #expect(flow.expire(now: now, idleNanoseconds: FlowFixture.idle).reply == nil)
    }
    #expect((10...41).contains(acks.count), "\(acks.count)")
  }

  @Test func `nothing outstanding when the delay is over sends nothing`() {
    var flow = FlowFixture.established
    _ = flow.receive(data(flow.receiveNext, Limits.ackStepBytes), now: start)
    #expect(flow.acknowledgementForData(now: start) == flow.receiveNext)
    let reaction = flow.expire(now: start + second, idleNanoseconds: FlowFixture.idle)
    #expect(reaction.reply == nil && reaction.effect == .none)
    #expect(flow.ackDueAt == 0)
  }

  @Test func `a pure ACK owes nothing`() {
    var flow = FlowFixture.established
    for _ in 0..<1_000 {
      let reaction = flow.receive(data(flow.receiveNext, 0), now: start)
      #expect(reaction.effect == .none && reaction.reply == nil && !reaction.deadlineMoved)
    }
    #expect(flow.ackDueAt == 0)
  }

  @Test func `two ends without data never answer each other's pure ACKs`() {
    var flow = FlowFixture.established
    let theirs = FlowFixture.segment(.ack, sequence: flow.receiveNext, acknowledgement: flow.sendNext)
    #expect(flow.receive(theirs, now: start).reply == nil)
  }

  // MARK: - Where the next segment is expected

  @Test(arguments: Seeds.all)
  func `however segments are reordered, the highest end is where the next one is expected`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var flow = FlowFixture.established
    var pending = [Segment]()
    var next = flow.receiveNext
    var highest = flow.receiveNext
    for _ in 0..<5_000 {
      let length = Int.random(in: 1...1_460, using: &random)
      pending.append(data(next, length))
      next += length
      // Up to 64 segments wait on the way and overtake each other; some arrive twice, some not at all.
      guard pending.count > 64 || random.oneIn(3) else { continue }
      let arriving = pending.remove(at: Int.random(in: 0..<pending.count, using: &random))
      if random.oneIn(20) { continue }
      if random.oneIn(20) { pending.append(arriving) }
      let reaction = flow.receive(arriving, now: start)
      if highest < arriving.end { highest = arriving.end }
      guard reaction.effect == .deliver, flow.receiveNext == highest, flow.unacknowledged >= 0 else {
        Issue.record("\(reaction.effect), \(flow.receiveNext.value), \(flow.unacknowledged)")
        return
      }
    }
  }

  @Test func `a late segment is delivered and moves nothing back`() {
    var flow = FlowFixture.established
    let here = flow.receiveNext
    let late = data(here + -Limits.reorderingBytesMax, 100)
    let reaction = flow.receive(late, now: start)
    #expect(reaction.effect == .deliver && reaction.reply == nil)
    #expect(flow.receiveNext == here && flow.unacknowledged == 0)
  }

  @Test func `a segment from far behind is the other end's true place, and is acknowledged there`() {
    var flow = FlowFixture.established
    let behind = flow.receiveNext + -(Limits.reorderingBytesMax + 101)
    let reaction = flow.receive(data(behind, 100), now: start)
    #expect(reaction.effect == .deliver)
    #expect(flow.receiveNext == behind + 100)
    #expect(reaction.reply?.acknowledgement == behind + 100)
    #expect(flow.unacknowledged == 0 && flow.ackDueAt == 0)
  }

  @Test(arguments: [1_000_000, 1 << 24, 1 << 30, 0x7fff_0000])
  func `a jump ahead is followed, and acknowledged at once when it is large`(jump: Int) {
    var flow = FlowFixture.established
    let reaction = flow.receive(data(flow.receiveNext + jump, 100), now: start)
    #expect(reaction.effect == .deliver)
    #expect(flow.receiveNext == FlowFixture.receiveNext + jump + 100)
    #expect((reaction.reply != nil) == (jump + 100 >= Limits.pureAckBytes))
  }

  @Test(arguments: Seeds.all)
  func `whatever arrives, what is outstanding stays bounded and has a deadline`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var flow = FlowFixture.established
    var now = start
    for _ in 0..<20_000 {
      let sequence =
        random.oneIn(10)
        ? SequenceNumber(UInt32(truncatingIfNeeded: random.next()))
        : flow.receiveNext + Int.random(in: -5_000...5_000, using: &random)
      _ = flow.receive(data(sequence, Int.random(in: 0...65_495, using: &random)), now: now)
      if random.oneIn(4) { _ = flow.acknowledgementForData(now: now) }
      if random.oneIn(50) { now += UInt64.random(in: 0...second, using: &random) }
      _ = flow.expire(now: now, idleNanoseconds: FlowFixture.idle)
      let outstanding = flow.unacknowledged
      guard (0..<Limits.pureAckBytes).contains(outstanding), outstanding == 0 || flow.ackDueAt > now else {
        Issue.record(
          "\(outstanding) bytes are outstanding, due \(Int64(flow.ackDueAt) - Int64(now)) ns from now")
        return
      }
    }
  }
}
