import Testing

@testable import DataPlane

/// Which resets are believed, and which are challenged (RFC 5961 §3).
@Suite struct FlowResetTests {
  private static let window = Limits.resetWindowBytes

  private enum Fate {
    case believed
    case challenged
    case ignored
  }

  /// What becomes of a reset to a flow that has let 4000 bytes go unacknowledged.
  private func fate(_ flags: TCPFlags, sequence: SequenceNumber, acknowledgement: SequenceNumber) -> Fate {
    var flow = FlowFixture.established
    flow.acknowledged = FlowFixture.receiveNext + -4000
    let before = FlowState(flow)
    let segment = FlowFixture.segment(flags, sequence: sequence, acknowledgement: acknowledgement)
    let reaction = flow.receive(segment, now: FlowFixture.start)
    #expect(FlowState(flow) == before)
    if reaction.effect == .close(.resetByPeer) { return .believed }
    #expect(reaction.effect == .drop(.resetNotCredible))
    guard let reply = reaction.reply else { return .ignored }
    #expect(reply == flow.control(.ack))
    return .challenged
  }

  @Test(arguments: [
    (0, Fate.believed), (-4000, .believed), (1, .challenged), (-1, .challenged), (-4001, .challenged),
    (window, .challenged), (-window, .challenged), (window + 1, .ignored), (-window - 1, .ignored),
    (1 << 30, .ignored), (-(1 << 30), .ignored),
  ])
  private func `a bare reset must name the place where the other end is, or the one that we acknowledged`(
    distance: Int, fate: Fate
  ) {
    let sequence = FlowFixture.receiveNext + distance
    #expect(self.fate(.rst, sequence: sequence, acknowledgement: SequenceNumber(0)) == fate)
    #expect(self.fate([.rst, .ack], sequence: sequence, acknowledgement: SequenceNumber(0)) == fate)
    // Without the ACK flag the field means nothing.
    #expect(self.fate(.rst, sequence: sequence, acknowledgement: FlowFixture.sendNext) == fate)
  }

  @Test(arguments: [
    (0, true), (-1, true), (-window, true), (-window - 1, false), (1, false), (1 << 20, false),
    (-(1 << 30), false), (1 << 31, false),
  ])
  func `a reset with numbers that may be those of a segment sent lately is challenged`(
    distance: Int, answersUs: Bool
  ) {
    let acknowledgement = FlowFixture.sendNext + distance
    for near in [-8000, -Self.window, 1, Self.window] {
      let sequence = FlowFixture.receiveNext + near
      #expect(fate([.rst, .ack], sequence: sequence, acknowledgement: acknowledgement) == .challenged)
    }
    let far = FlowFixture.receiveNext + (1 << 30)
    #expect(
      fate([.rst, .ack], sequence: far, acknowledgement: acknowledgement)
        == (answersUs ? .challenged : .ignored))
  }

  /// A forged segment's end becomes our place, and its forger knows it.
  @Test(arguments: [(1 << 30, 0), (1 << 30, 1 << 30), (1 << 25, 1 << 30)])
  func `who has led us to a place by forged data cannot reset the flow there`(ahead: Int, unanswered: Int)
    throws
  {
    var flow = FlowFixture.established
    let forged = FlowFixture.segment(
      .ack, sequence: FlowFixture.receiveNext + ahead,
      acknowledgement: FlowFixture.sendNext + -unanswered, length: 100)
    // The second of two that confirm each other is taken, if the first was not.
    for _ in 0..<2 { _ = flow.receive(forged, now: FlowFixture.start) }
    #expect(flow.receiveNext == forged.end)
    let reset = FlowFixture.segment(.rst, sequence: forged.end)
    let reaction = flow.receive(reset, now: FlowFixture.start)
    #expect(reaction.effect == .drop(.resetNotCredible))
    let challenge = try #require(reaction.reply)
    // Whoever gets the challenge can prove it.
    let proof = FlowFixture.segment(
      [.rst, .ack], sequence: forged.end, acknowledgement: challenge.sequence)
    var other = flow
    #expect(other.receive(proof, now: FlowFixture.start).effect == .close(.resetByPeer))

    // The other end goes on where it was: after a while its resets are believed again.
    var place = FlowFixture.receiveNext
    for _ in 0...Limits.steadySegments {
      #expect(
        flow.receive(FlowFixture.segment(.rst, sequence: place), now: FlowFixture.start).effect
          != .close(.resetByPeer))
      let genuine = FlowFixture.segment(
        .ack, sequence: place, acknowledgement: FlowFixture.sendNext, length: 100)
      #expect(flow.receive(genuine, now: FlowFixture.start).effect == .deliver)
      place += 100
    }
    #expect(
      flow.receive(FlowFixture.segment(.rst, sequence: place), now: FlowFixture.start).effect
        == .close(.resetByPeer))
  }

  @Test func `nor where he has led us ahead of the other end, until it has come there`() {
    var flow = FlowFixture.established
    let forged = FlowFixture.segment(
      .ack, sequence: FlowFixture.receiveNext + (1 << 20), acknowledgement: FlowFixture.sendNext + (1 << 30),
      length: 100)
    _ = flow.receive(forged, now: FlowFixture.start)
    #expect(flow.receiveNext == forged.end)
    for number in 0..<100 {
      let genuine = FlowFixture.segment(.ack, sequence: FlowFixture.receiveNext + number * 100, length: 100)
      #expect(flow.receive(genuine, now: FlowFixture.start).effect == .deliver)
    }
    let reset = FlowFixture.segment(.rst, sequence: forged.end)
    #expect(flow.receive(reset, now: FlowFixture.start).effect == .drop(.resetNotCredible))
  }

  @Test(arguments: Seeds.all)
  func `a blind guess is believed never in practice, and challenged about once in 128`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var challenged = 0
    for _ in 0..<64_000 {
      let sequence = SequenceNumber(UInt32(truncatingIfNeeded: random.next()))
      switch fate(.rst, sequence: sequence, acknowledgement: SequenceNumber(0)) {
      case .believed: Issue.record("\(sequence) was believed")
      case .challenged: challenged += 1
      case .ignored: break
      }
    }
    // 500 expected; six standard deviations to either side.
    #expect((366...634).contains(challenged))
  }

  @Test func `a flow is made to send ten challenges a second and no more`() {
    var flow = FlowFixture.established
    let doubtful = FlowFixture.segment(.rst, sequence: FlowFixture.receiveNext + 1)
    let syn = FlowFixture.segment(.syn, sequence: SequenceNumber(0))
    var challenges = 0
    for millisecond in 0..<1_000 as Range<UInt64> {
      let now = FlowFixture.start + millisecond * 1_000_000
      for segment in [doubtful, syn] where flow.receive(segment, now: now).reply != nil { challenges += 1 }
    }
    #expect(challenges == 10)
    #expect(flow.state == .established)
  }

  @Test func `an end that has forgotten the flow proves it by answering the challenge`() throws {
    var flow = FlowFixture.established
    flow.acknowledged = FlowFixture.receiveNext + -4000
    // Its last datagrams were lost: the reset with which it went lies ahead of what we know.
    let farewell = FlowFixture.segment(.rst, sequence: FlowFixture.receiveNext + 2800)
    let challenge = try #require(flow.receive(farewell, now: FlowFixture.start).reply)
    // As RFC 9293 §3.10.7.1 and stock have it, and as the kernel's own TCP answers.
    let answers = [
      FlowFixture.segment(
        [.rst, .ack], sequence: challenge.acknowledgement, acknowledgement: challenge.sequence),
      FlowFixture.segment(
        .rst, sequence: challenge.acknowledgement, acknowledgement: SequenceNumber(0)),
    ]
    for answer in answers {
      var flow = flow
      #expect(flow.receive(answer, now: FlowFixture.start + 1).effect == .close(.resetByPeer))
    }
  }

  @Test func `our own reset is stock's: bare, at our sequence, ack 0`() {
    let flow = FlowFixture.established
    expectPacket(
      TunFrame(flow.reset).finishedPacket, .stockShape, .flags(.rst), .sequence(FlowFixture.sendNext.value),
      .acknowledgement(0), .noPayload)
  }
}
