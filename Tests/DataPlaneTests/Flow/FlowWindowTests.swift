import Testing

@testable import DataPlane

/// Which segments a live flow takes (Flow+Window.swift).
@Suite struct FlowWindowTests {
  private static let far = 0x4000_0000

  private func segment(ahead: Int, unanswered: Int, length: Int = 100) -> Segment {
    FlowFixture.segment(
      .ack, sequence: FlowFixture.receiveNext + ahead, acknowledgement: FlowFixture.sendNext + -unanswered,
      length: length)
  }

  private func isTaken(_ segment: Segment, by flow: inout Flow) -> Bool {
    switch flow.receive(segment, now: FlowFixture.start).effect {
    case .deliver, .none: return true
    case let effect:
      #expect(effect == .drop(.outsideWindow))
      return false
    }
  }

  @Test(arguments: [
    (0, true), (Limits.plausibleBytes, true), (Limits.plausibleBytes + 1, false),
    (-Limits.reorderingBytesMax, true), (-Limits.reorderingBytesMax - 1, false), (1 << 31, false),
  ])
  func `one that acknowledges nothing of ours must be near where the other end is`(ahead: Int, isNear: Bool) {
    for unanswered in [Self.far, -1, -Self.far] {
      for length in [0, 100] {
        var flow = FlowFixture.established
        let taken = isTaken(segment(ahead: ahead, unanswered: unanswered, length: length), by: &flow)
        #expect(taken == isNear)
        if !taken { #expect(FlowState(flow) == FlowState(FlowFixture.established)) }
      }
    }
  }

  @Test(arguments: [
    (0, true), (1, true), (Limits.plausibleBytes, true), (Limits.plausibleBytes + 1, false), (-1, false),
  ])
  func `one that is far away must acknowledge what we sent lately`(unanswered: Int, isRecent: Bool) {
    for ahead in [Self.far, -Self.far, 1 << 31] {
      var flow = FlowFixture.established
      #expect(isTaken(segment(ahead: ahead, unanswered: unanswered), by: &flow) == isRecent)
    }
  }

  @Test(arguments: Seeds.all)
  func `of blind guesses one in eight is taken`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var taken = 0
    for _ in 0..<16_000 {
      var flow = FlowFixture.established
      let ahead = Int(Int32(truncatingIfNeeded: random.next()))
      if isTaken(segment(ahead: ahead, unanswered: Int(Int32(truncatingIfNeeded: random.next()))), by: &flow)
      {
        taken += 1
      }
    }
    // 16 000 × (1 - 15/16 × (1 - 272/4096)): about 2000.
    #expect((1_700...2_300).contains(taken))
  }

  /// Both ends went on sending while the path was cut, and neither knows the other's place any more.
  @Test func `after an outage that lost both ways the second segment is taken`() {
    var flow = FlowFixture.established
    #expect(!isTaken(segment(ahead: Self.far, unanswered: Self.far), by: &flow))
    #expect(isTaken(segment(ahead: Self.far + 5_000, unanswered: Self.far), by: &flow))
    #expect(isTaken(segment(ahead: Self.far + 5_100, unanswered: Self.far), by: &flow))
    #expect(flow.receiveNext == FlowFixture.receiveNext + Self.far + 5_200)
  }

  /// However often somebody forges, and whatever gets through: the true other end acknowledges us.
  @Test(arguments: Seeds.all)
  func `forged segments never keep the other end's out`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var flow = FlowFixture.established
    var sent = 0
    for _ in 0..<1_000 {
      for _ in 0..<Int.random(in: 0...3, using: &random) {
        let ahead = Int(Int32(truncatingIfNeeded: random.next()))
        _ = isTaken(segment(ahead: ahead, unanswered: Self.far), by: &flow)
      }
      #expect(
        isTaken(segment(ahead: sent, unanswered: Int.random(in: 0...10_000, using: &random)), by: &flow))
      sent += 100
    }
  }

  @Test func `a SYN on a live flow is challenged, whatever its numbers, and changes nothing`() {
    for sequence in [0, 1, Self.far, -1] {
      var flow = FlowFixture.established
      let syn = FlowFixture.segment(
        .syn, sequence: FlowFixture.receiveNext + sequence, acknowledgement: SequenceNumber(0))
      let reaction = flow.receive(syn, now: FlowFixture.start)
      #expect(reaction.effect == .none && reaction.reply == flow.control(.ack))
      #expect(FlowState(flow) == FlowState(FlowFixture.established))
    }
  }
}
