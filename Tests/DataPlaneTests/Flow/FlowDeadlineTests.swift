import Testing

@testable import DataPlane

@Suite struct FlowDeadlineTests {
  private let second = FlowFixture.second
  private let start = FlowFixture.start

  @Test func `while the SYN is unanswered the next one is the deadline`() {
    #expect(FlowFixture.synSent.deadline(idleNanoseconds: FlowFixture.idle) == start + second)
    // A short idle timeout does not cut a handshake off.
    #expect(FlowFixture.synSent.deadline(idleNanoseconds: 1) == start + second)
  }

  @Test(arguments: [1, 30, 180, 86_400] as [UInt64])
  func `a quiet flow is closed by a bare reset when the idle timeout is over, not before`(seconds: UInt64) {
    var flow = FlowFixture.established
    let idle = seconds * second
    #expect(flow.deadline(idleNanoseconds: idle) == start + idle)
    let early = flow.expire(now: start + idle - 1, idleNanoseconds: idle)
    #expect(early.effect == .none && early.reply == nil)
    let due = flow.expire(now: start + idle, idleNanoseconds: idle)
    #expect(due.effect == .close(.idle))
    #expect(due.reply == flow.reset)
  }

  @Test func `traffic either way puts the end off`() {
    var flow = FlowFixture.established
    _ = flow.receive(FlowFixture.segment(.ack, length: 1), now: start + 100 * second)
    _ = flow.expire(now: start + 101 * second, idleNanoseconds: FlowFixture.idle)
    #expect(flow.deadline(idleNanoseconds: FlowFixture.idle) == start + 280 * second)
    flow.lastActivity = start + 200 * second
    #expect(flow.expire(now: start + 379 * second, idleNanoseconds: FlowFixture.idle).effect == .none)
    #expect(flow.expire(now: start + 380 * second, idleNanoseconds: FlowFixture.idle).effect == .close(.idle))
  }

  @Test(arguments: [TCPFlags.rst, .syn, [.syn, .ack], [], .fin, .psh, .ack])
  func `what is no data keeps no flow alive`(flags: TCPFlags) {
    var flow = FlowFixture.established
    let forged = FlowFixture.segment(
      flags, sequence: FlowFixture.receiveNext + (1 << 30), acknowledgement: SequenceNumber(0))
    _ = flow.receive(forged, now: start + 100 * second)
    #expect(flow.deadline(idleNanoseconds: FlowFixture.idle) == start + FlowFixture.idle)
  }

  @Test func `an outstanding acknowledgement comes before the idle timeout, or after a shorter one`() {
    var flow = FlowFixture.established
    _ = flow.receive(FlowFixture.segment(.ack, length: 1), now: start)
    #expect(flow.deadline(idleNanoseconds: FlowFixture.idle) == start + second)
    #expect(flow.deadline(idleNanoseconds: second / 2) == start + second / 2)
    #expect(flow.expire(now: start + second / 2, idleNanoseconds: second / 2).effect == .close(.idle))
  }

  @Test func `looking at a flow too often or at one of no state does nothing`() {
    var flow = FlowFixture.established
    let before = FlowState(flow)
    for step in 0..<100 as Range<UInt64> {
      let reaction = flow.expire(now: start + step * second, idleNanoseconds: FlowFixture.idle)
      #expect(reaction.effect == .none && reaction.reply == nil)
    }
    #expect(FlowState(flow) == before)
    var free = FlowFixture.free
    #expect(free.expire(now: start + FlowFixture.idle * 2, idleNanoseconds: FlowFixture.idle).effect == .none)
  }

  @Test(arguments: Seeds.all)
  func `after every reaction the deadline lies ahead`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    for _ in 0..<200 {
      var flow = random.oneIn(2) ? FlowFixture.synSent : FlowFixture.established
      var now = start
      for _ in 0..<50 {
        // A worker wakes at the deadline or a little later, or for a segment before it.
        if random.oneIn(2) {
          now =
            max(now, flow.deadline(idleNanoseconds: FlowFixture.idle))
            + .random(in: 0...second / 8, using: &random)
        } else {
          now += .random(in: 0...second / 2, using: &random)
          let segment = FlowFixture.segment(
            [.ack, random.oneIn(5) ? .syn : []], sequence: flow.receiveNext,
            acknowledgement: random.oneIn(5) ? flow.sendNext : flow.sendNext + 1,
            length: .random(in: 0...2_000, using: &random))
          _ = flow.receive(segment, now: now)
        }
        let reaction = flow.expire(now: now, idleNanoseconds: FlowFixture.idle)
        if case .close = reaction.effect { break }
        guard flow.deadline(idleNanoseconds: FlowFixture.idle) > now else {
          Issue.record("a timer set for this deadline would fire for ever: \(FlowState(flow)) at \(now)")
          return
        }
      }
    }
  }
}
