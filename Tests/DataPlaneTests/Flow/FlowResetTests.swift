import Testing

@testable import DataPlane

/// Which resets are believed (RFC 5961 §3).
@Suite struct FlowResetTests {
  private static let window = Limits.resetWindowBytes

  private func isBelieved(_ flags: TCPFlags, sequence: SequenceNumber, acknowledgement: SequenceNumber)
    -> Bool
  {
    var flow = FlowFixture.established
    let segment = FlowFixture.segment(flags, sequence: sequence, acknowledgement: acknowledgement)
    let effect = flow.receive(segment, now: FlowFixture.start).effect
    #expect(effect == .close(.resetByPeer) || effect == .drop(.resetNotCredible))
    return effect == .close(.resetByPeer)
  }

  @Test(arguments: [
    (0, true), (1, true), (-1, true), (window, true), (-window, true), (window + 1, false),
    (-window - 1, false),
    (1 << 30, false), (-(1 << 30), false),
  ])
  func `a bare reset is believed near the place where the other end is`(distance: Int, isBelieved: Bool) {
    let sequence = FlowFixture.receiveNext + distance
    #expect(self.isBelieved(.rst, sequence: sequence, acknowledgement: SequenceNumber(0)) == isBelieved)
    #expect(
      self.isBelieved([.rst, .ack], sequence: sequence, acknowledgement: SequenceNumber(0)) == isBelieved)
  }

  @Test(arguments: [
    (0, true), (-1, true), (-window, true), (-window - 1, false), (1, false), (1 << 20, false),
    (-(1 << 30), false), (1 << 31, false),
  ])
  func `a reset that answers us is believed when it acknowledges what we sent lately`(
    distance: Int, isBelieved: Bool
  ) {
    let far = FlowFixture.receiveNext + (1 << 30)
    let acknowledgement = FlowFixture.sendNext + distance
    #expect(self.isBelieved([.rst, .ack], sequence: far, acknowledgement: acknowledgement) == isBelieved)
    // Without the ACK flag the field means nothing.
    #expect(!self.isBelieved(.rst, sequence: far, acknowledgement: acknowledgement))
  }

  @Test(arguments: Seeds.all)
  func `a blind guess is believed about once in 128`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var believed = 0
    let guesses = 64_000
    for _ in 0..<guesses {
      let sequence = SequenceNumber(UInt32(truncatingIfNeeded: random.next()))
      if isBelieved(.rst, sequence: sequence, acknowledgement: SequenceNumber(0)) { believed += 1 }
    }
    // 500 expected; six standard deviations to either side.
    #expect((366...634).contains(believed))
  }

  @Test func `a reset that is not believed changes nothing`() {
    var flow = FlowFixture.established
    let before = FlowState(flow)
    let forged = FlowFixture.segment(.rst, sequence: FlowFixture.receiveNext + (1 << 30))
    for _ in 0..<100 {
      let reaction = flow.receive(forged, now: FlowFixture.start + FlowFixture.second)
      #expect(reaction.effect == .drop(.resetNotCredible) && reaction.reply == nil)
    }
    #expect(FlowState(flow) == before)
  }

  @Test func `our own reset is stock's: bare, at our sequence, ack 0`() {
    let flow = FlowFixture.established
    expectPacket(
      TunFrame(flow.reset).finishedPacket, .stockShape, .flags(.rst), .sequence(FlowFixture.sendNext.value),
      .acknowledgement(0), .noPayload)
  }
}
