import Testing

@testable import DataPlane

/// What a flow makes of data that lead its place away, and how it finds back.
@Suite struct FlowPlaceTests {
  private static let start = FlowFixture.start
  private static let here = FlowFixture.receiveNext
  private static let far = here + (1 << 30)

  /// A client's flow that has sent `sent` bytes: its numbers begin at 0, which is no secret.
  private func youngFlow(sent: Int) -> Flow {
    var flow = FlowFixture.established
    flow.sendNext = SequenceNumber(1) + sent
    return flow
  }

  private func isReset(_ flow: Flow, at place: SequenceNumber) -> Bool {
    var flow = flow
    return flow.receive(FlowFixture.segment(.rst, sequence: place), now: Self.start).effect
      == .close(.resetByPeer)
  }

  @Test(arguments: [1, 1_000, 1 << 20, Limits.resetWindowBytes])
  func `no number of forged data makes a young flow sure of a place, unless they guess what it sent`(
    sent: Int
  ) {
    var flow = youngFlow(sent: sent)
    var place = Self.far
    for _ in 0..<1_000 {
      let forged = FlowFixture.segment(.ack, sequence: place, acknowledgement: SequenceNumber(1), length: 100)
      #expect(flow.receive(forged, now: Self.start).effect == .deliver)
      place += 100
    }
    #expect(flow.receiveNext == place)
    #expect(!isReset(flow, at: place))
    // Whoever sees what the flow sends needs no forged data, either.
    for _ in 0..<Limits.steadySegments {
      let genuine = FlowFixture.segment(.ack, sequence: place, acknowledgement: flow.sendNext, length: 100)
      _ = flow.receive(genuine, now: Self.start)
      place += 100
    }
    #expect(isReset(flow, at: place))
  }

  @Test func `what acknowledges more than had been sent tells no place`() {
    var flow = youngFlow(sent: 1_000)
    var place = Self.far
    for _ in 0..<100 {
      let forged = FlowFixture.segment(
        .ack, sequence: place, acknowledgement: flow.sendNext + 1, length: 100)
      _ = flow.receive(forged, now: Self.start)
      place += 100
    }
    #expect(!isReset(flow, at: place))
  }

  @Test(arguments: [(0, true), (Limits.steadyGapBytes, true), (Limits.steadyGapBytes + 1, false)])
  func `a gap of what a queue loses at once is nothing unusual, a longer one is doubted`(
    gap: Int, isSure: Bool
  ) {
    var flow = FlowFixture.established
    let data = FlowFixture.segment(.ack, sequence: Self.here + gap, length: 100)
    #expect(flow.receive(data, now: Self.start).effect == .deliver)
    #expect(isReset(flow, at: data.end) == isSure)
  }

  @Test
  func `after a long loss the other end's data make the place sure, once they acknowledge what was sent`() {
    var flow = FlowFixture.established
    var place = Self.here + (1 << 20)
    // As if what acknowledges nothing new was on its way before the loss.
    for _ in 0...2 * Int(Limits.steadySegments) {
      let data = FlowFixture.segment(
        .ack, sequence: place, acknowledgement: FlowFixture.sendNext + -1, length: 100)
      _ = flow.receive(data, now: Self.start)
      place += 100
    }
    #expect(!isReset(flow, at: place))
    flow.sendNext += 100_000
    for _ in 0..<Limits.steadySegments {
      let data = FlowFixture.segment(
        .ack, sequence: place, acknowledgement: FlowFixture.sendNext, length: 100)
      _ = flow.receive(data, now: Self.start)
      place += 100
    }
    #expect(isReset(flow, at: place))
  }

  /// Forged data acknowledge the first byte, which everybody can guess.
  private func ledAway(sent: Int = 5_000) -> Flow {
    var flow = youngFlow(sent: sent)
    let forged = FlowFixture.segment(
      .ack, sequence: Self.far, acknowledgement: SequenceNumber(1), length: 100)
    #expect(flow.receive(forged, now: Self.start).effect == .deliver)
    #expect(flow.receiveNext == forged.end)
    return flow
  }

  /// Else what it acknowledges stays beyond what the other end has sent, which connection tracking on the path drops.
  @Test func `a pure ACK leads back a flow whose other end sends no data`() {
    var flow = ledAway()
    let pure = FlowFixture.segment(.ack, sequence: Self.here, acknowledgement: flow.sendNext)
    _ = flow.receive(pure, now: Self.start)
    #expect(flow.receiveNext == Self.here)
    #expect(flow.acknowledgementForData(now: Self.start) == Self.here)
    #expect(flow.unacknowledged == 0)
  }

  @Test func `a forged pure ACK leads nowhere`() {
    let away = ledAway()
    for acknowledgement in [SequenceNumber(1), away.sendNext + -1, away.sendNext + 1] {
      var flow = away
      let forged = FlowFixture.segment(.ack, sequence: Self.here, acknowledgement: acknowledgement)
      _ = flow.receive(forged, now: Self.start)
      #expect(flow.receiveNext == away.receiveNext)
    }
    // Nor does any where nobody has led us away.
    var flow = FlowFixture.established
    _ = flow.receive(FlowFixture.segment(.ack, sequence: Self.far), now: Self.start)
    #expect(flow.receiveNext == Self.here)
  }

  @Test func `a probe is answered although its flow has been led away`() throws {
    var flow = ledAway()
    let probe = FlowFixture.segment(.ack, sequence: Self.here + -1, acknowledgement: flow.sendNext)
    let answer = try #require(flow.receive(probe, now: Self.start).reply)
    #expect(answer == flow.control(.ack))
    #expect(answer.acknowledgement == probe.sequence)
    // The next one lies further back, as each does.
    let later = FlowFixture.segment(.ack, sequence: Self.here + -2, acknowledgement: flow.sendNext)
    #expect(flow.receive(later, now: Self.start + FlowFixture.second).reply != nil)
    let data = FlowFixture.segment(.ack, sequence: Self.here, acknowledgement: flow.sendNext, length: 100)
    #expect(flow.receive(data, now: Self.start + FlowFixture.second).effect == .deliver)
    #expect(flow.receiveNext == Self.here + 100)
    #expect(flow.receive(probe, now: Self.start + 2 * FlowFixture.second).reply != nil)
  }
}
