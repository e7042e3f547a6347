import Testing

@testable import DataPlane

@Suite struct FlowHandshakeTests {
  private let second = FlowFixture.second
  private let start = FlowFixture.start

  private func synAck(_ sequence: UInt32 = 700) -> Segment {
    FlowFixture.segment(
      [.syn, .ack], sequence: SequenceNumber(sequence), acknowledgement: SequenceNumber(1))
  }

  // MARK: - Active

  @Test func `opening sends the only SYN that stock takes`() {
    var flow = FlowFixture.free
    let syn = flow.open(now: start)
    #expect(flow.state == .synSent)
    expectPacket(
      TunFrame(syn).finishedPacket, .stockShape, .flags(.syn), .sequence(0), .acknowledgement(0), .noPayload)
  }

  @Test func `a SYN goes out every second, then the flow gives up`() {
    var flow = FlowFixture.free
    let syn = flow.open(now: start)
    var sentAt = [UInt64(0)]
    var closedAt: UInt64?
    for milliseconds in stride(from: UInt64(0), through: 20_000, by: 100) where closedAt == nil {
      let reaction = flow.expire(now: start + milliseconds * 1_000_000, idleNanoseconds: FlowFixture.idle)
      if let reply = reaction.reply {
        #expect(reply == syn)
        sentAt.append(milliseconds)
      }
      if reaction.effect == .close(.unanswered) { closedAt = milliseconds }
    }
    #expect(sentAt == [0, 1_000, 2_000, 3_000, 4_000, 5_000])
    #expect(sentAt.count == Int(Limits.synTries))
    #expect(closedAt == 6_000)
  }

  @Test func `a late timer moves the SYNs behind it, never closer together`() {
    var flow = FlowFixture.synSent
    let late = start + 3 * second
    #expect(flow.expire(now: late, idleNanoseconds: FlowFixture.idle).reply != nil)
    #expect(flow.deadline(idleNanoseconds: FlowFixture.idle) == late + second)
    #expect(flow.expire(now: late + second - 1, idleNanoseconds: FlowFixture.idle).reply == nil)
  }

  @Test(arguments: [0, 1, 0x7fff_ffff, 0xffff_fffe, 0xffff_ffff] as [UInt32])
  func `any server ISN establishes the flow and is acknowledged`(sequence: UInt32) {
    var flow = FlowFixture.synSent
    let reaction = flow.receive(synAck(sequence), now: start + 5)
    #expect(reaction.effect == .established)
    #expect(reaction.deadlineMoved)
    #expect(reaction.reply?.flags == .ack)
    #expect(reaction.reply?.sequence == SequenceNumber(1))
    #expect(reaction.reply?.acknowledgement == SequenceNumber(sequence &+ 1))
    #expect(flow.sendNext == SequenceNumber(1) && flow.receiveNext == SequenceNumber(sequence &+ 1))
    #expect(flow.lastActivity == start + 5)
  }

  @Test(arguments: [0, 10, 124, 125, 126, 500, 999])
  func `after a SYN-ACK the flow waits two round trips for a first segment`(roundTripMilliseconds: UInt64) {
    var flow = FlowFixture.synSent
    let roundTrip = roundTripMilliseconds * 1_000_000
    let now = start + roundTrip
    let opened = flow.receive(synAck(), now: now)
    #expect(flow.state == .unconfirmed && opened.releasesHeld)
    #expect(Int(flow.firstFlightLeft) == Limits.firstFlightBytes)
    let wait = max(250_000_000, 2 * roundTrip)
    #expect(flow.deadline(idleNanoseconds: FlowFixture.idle) == now + wait)
    #expect(!flow.expire(now: now + wait - 1, idleNanoseconds: FlowFixture.idle).releasesHeld)
    #expect(flow.state == .unconfirmed)
    let over = flow.expire(now: now + wait, idleNanoseconds: FlowFixture.idle)
    #expect(over.releasesHeld && over.effect == .none && over.reply == nil)
    #expect(flow.state == .established)
    // And that is the end of waiting.
    #expect(!flow.expire(now: now + wait, idleNanoseconds: FlowFixture.idle).releasesHeld)
  }

  @Test(arguments: [0, 100])
  func `the first segment after the handshake ends the wait, once`(length: Int) {
    var flow = FlowFixture.synSent
    _ = flow.receive(synAck(), now: start)
    let first = FlowFixture.segment(
      .ack, sequence: flow.receiveNext, acknowledgement: flow.sendNext, length: length)
    #expect(flow.receive(first, now: start).releasesHeld)
    #expect(flow.state == .established)
    #expect(!flow.receive(first, now: start).releasesHeld)
  }

  @Test func `a SYN-ACK establishes whichever SYN it answers`() {
    for tries in 1...Int(Limits.synTries) {
      var flow = FlowFixture.synSent
      for retry in 1..<tries {
        _ = flow.expire(now: start + UInt64(retry) * second, idleNanoseconds: FlowFixture.idle)
      }
      #expect(Int(flow.tries) == tries)
      #expect(flow.receive(synAck(), now: start + UInt64(tries) * second).effect == .established)
    }
  }

  @Test func `the same SYN-ACK again is acknowledged and changes nothing`() {
    var flow = FlowFixture.synSent
    let first = flow.receive(synAck(), now: start)
    let before = FlowState(flow)
    for number in 0..<3 as Range<UInt64> {
      let again = flow.receive(synAck(), now: start + 7 + number * Limits.challengeIntervalNanoseconds)
      #expect(again.effect == .none)
      #expect(again.reply == first.reply)
      #expect(FlowState(flow) == before)
    }
  }

  @Test func `a refusal puts the next attempt off, a forged one does not`() {
    var flow = FlowFixture.synSent
    let refusal = FlowFixture.segment([.rst, .ack], acknowledgement: SequenceNumber(1))
    let reaction = flow.receive(refusal, now: start)
    #expect(reaction.effect == .none && reaction.deadlineMoved)
    #expect(flow.retryAt == start + Limits.refusalNanoseconds)
    for forged in [
      FlowFixture.segment(.rst, acknowledgement: SequenceNumber(1)),
      FlowFixture.segment([.rst, .ack], acknowledgement: SequenceNumber(0)),
      FlowFixture.segment([.rst, .ack], acknowledgement: SequenceNumber(2)),
    ] {
      #expect(flow.receive(forged, now: start).effect == .drop(.resetNotCredible))
    }
  }

  @Test func `an end that still holds an older flow is told so in a way it believes`() {
    // The other end's established flow, as it would answer our SYN: with a pure ACK at its own numbers.
    var theirs = FlowFixture.established
    let challenge = theirs.receive(FlowFixture.segment(.syn), now: start).reply!
    var ours = FlowFixture.synSent
    let reaction = ours.receive(
      FlowFixture.segment(
        challenge.flags, sequence: challenge.sequence, acknowledgement: challenge.acknowledgement), now: start
    )
    let reset = reaction.reply!
    #expect(reset.flags == .rst && reset.acknowledgement == SequenceNumber(0))
    #expect(ours.state == .synSent)
    let end = theirs.receive(
      FlowFixture.segment(reset.flags, sequence: reset.sequence, acknowledgement: reset.acknowledgement),
      now: start)
    #expect(end.effect == .close(.resetByPeer))
  }

  // MARK: - Passive

  @Test func `accepting takes both numbers from the segment and acknowledges at once`() {
    var flow = FlowFixture.free
    let third = FlowFixture.segment(
      .ack, sequence: SequenceNumber(1), acknowledgement: SequenceNumber(0xabcd_0001))
    let reply = flow.accept(third, now: start + 9)
    #expect(flow.state == .established)
    #expect(flow.sendNext == SequenceNumber(0xabcd_0001))
    #expect(flow.receiveNext == SequenceNumber(1) && flow.unacknowledged == 0)
    #expect(flow.lastActivity == start + 9)
    expectPacket(
      TunFrame(reply).finishedPacket, .stockShape, .flags(.ack), .sequence(0xabcd_0001), .acknowledgement(1),
      .noPayload)
  }

  @Test func `data that opens a flow is delivered after it`() {
    var flow = FlowFixture.free
    let data = FlowFixture.segment(.ack, sequence: SequenceNumber(501), length: 100)
    _ = flow.accept(data, now: start)
    #expect(flow.receive(data, now: start).effect == .deliver)
    #expect(flow.receiveNext == SequenceNumber(601))
    // What came before it, late, is delivered too and moves nothing back.
    #expect(
      flow.receive(FlowFixture.segment(.ack, sequence: SequenceNumber(1), length: 500), now: start).effect
        == .deliver)
    #expect(flow.receiveNext == SequenceNumber(601))
  }

  @Test func `a SYN on a live flow gets a pure ACK and opens nothing anew`() {
    var flow = FlowFixture.established
    let before = FlowState(flow)
    for (number, sequence) in ([0, 1, 0xffff_ff00, 0x7777_7777] as [UInt32]).enumerated() {
      let reaction = flow.receive(
        FlowFixture.segment(.syn, sequence: SequenceNumber(sequence), length: 0),
        now: start + UInt64(number + 1) * second)
      #expect(reaction.effect == .none)
      #expect(reaction.reply == flow.control(.ack))
    }
    #expect(FlowState(flow) == before)
  }
}

extension TunFrame {
  /// The one packet of a frame that is no train; nil where the kernel would refuse it.
  var finishedPacket: [UInt8]? { (try? packets)?.first }
}
