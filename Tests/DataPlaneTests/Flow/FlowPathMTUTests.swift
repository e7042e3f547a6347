import Testing

@testable import DataPlane

/// What a flow believes about its path, and for how long.
@Suite struct FlowPathMTUTests {
  private static let lifetime = Limits.pathMTUNanoseconds

  private func error(
    mtu: Int, age: Int = 5_000, quotedLength: Int = 1_500, key: FlowKey = FlowFixture.key,
    acknowledgement: SequenceNumber? = nil
  ) -> PacketTooBig {
    PacketTooBig(
      key: key, sequence: FlowFixture.sendNext + -age, acknowledgement: acknowledgement,
      quotedLength: quotedLength, mtu: mtu)
  }

  @Test(arguments: [Flow.State.established, .unconfirmed])
  func anErrorLowersTheLimitToWhatItsLinkTakes(state: Flow.State) {
    let flow = Told(FlowFixture.established)
    flow.flow.state = state
    flow.flow.hasReportedSize = true
    #expect(flow.outcome(of: error(mtu: 1_300)) == nil)
    #expect(flow.flow.segmentBytesMax == 1_260)
    #expect(!flow.flow.hasReportedSize)
    #expect(flow.outcome(of: error(mtu: 1_299)) == nil)
    #expect(flow.flow.segmentBytesMax == 1_259)
  }

  @Test func overIPv6TwentyBytesLessAreLeft() {
    let key = FlowKey(
      remote: Address("2001:db8::2")!, local: Address("2001:db8::1")!, remotePort: 1, localPort: 2)
    let flow = Told(FlowFixture.established)
    flow.flow.key = key
    #expect(flow.outcome(of: error(mtu: 1_280, key: key)) == nil)
    #expect(flow.flow.segmentBytesMax == 1_220)
    #expect(flow.outcome(of: error(mtu: 1_279, key: key)) == .icmpNotCredible)
  }

  @Test(arguments: [1_300, 1_301, 1_499])
  func aLimitIsNeverRaisedNorKeptLongerByAnError(mtu: Int) {
    let flow = Told(FlowFixture.established)
    #expect(flow.outcome(of: error(mtu: 1_300)) == nil)
    #expect(flow.outcome(of: error(mtu: mtu), now: FlowFixture.start + 1) == .icmpIgnored)
    #expect(flow.flow.segmentBytesMax == 1_260)
    #expect(flow.flow.limitEndsAt == FlowFixture.start + Self.lifetime)
  }

  @Test func onlyAFlowThatHasSentDataIsTold() {
    for flow in [Told(FlowFixture.free), Told(FlowFixture.synSent)] {
      flow.flow.sendNext = FlowFixture.sendNext
      #expect(flow.outcome(of: error(mtu: 1_300)) == .icmpNotCredible)
      #expect(flow.flow.segmentBytesMax == 1_460)
    }
  }

  @Test(arguments: [
    (-1_000_000, false), (-1, false), (0, false), (1, true), (1_460, true),
    (Limits.quotedWindowBytes, true), (Limits.quotedWindowBytes + 1, false), (0x7fff_0000, false),
  ])
  func theQuotedSegmentMustHaveBeenSentNotLongAgo(age: Int, isBelieved: Bool) {
    let flow = Told(FlowFixture.established)
    #expect((flow.outcome(of: error(mtu: 1_300, age: age)) == nil) == isBelieved)
    #expect(flow.flow.segmentBytesMax == (isBelieved ? 1_260 : 1_460))
  }

  @Test(arguments: [
    (0, true), (1, true), (Limits.quotedWindowBytes, true), (Limits.quotedWindowBytes + 1, false),
    (-1, false),
    (-0x7000_0000, false),
  ])
  func soMustWhatItAcknowledgesWhereThatIsQuoted(age: Int, isBelieved: Bool) {
    let flow = Told(FlowFixture.established)
    let error = error(mtu: 1_300, acknowledgement: FlowFixture.receiveNext + -age)
    #expect((flow.outcome(of: error) == nil) == isBelieved)
  }

  /// A client counts from 0: everybody knows that it has sent its first byte.
  @Test(arguments: [
    (1, true), (Limits.guessableQuoteBytes, true), (Limits.guessableQuoteBytes + 1, false),
    (1_000_000, false),
  ])
  func whereNothingIsSecretTheQuotedSegmentIsOneOfTheLast(age: Int, isBelieved: Bool) {
    let flow = Told(FlowFixture.established)
    flow.flow.sendNext = SequenceNumber(1_000_001)
    func error(_ acknowledgement: SequenceNumber?) -> PacketTooBig {
      PacketTooBig(
        key: FlowFixture.key, sequence: flow.flow.sendNext + -age, acknowledgement: acknowledgement,
        quotedLength: 1_500, mtu: 1_300)
    }
    #expect(flow.outcome(of: error(SequenceNumber(1))) == .icmpNotCredible)
    #expect((flow.outcome(of: error(nil)) == nil) == isBelieved)
    flow.flow.segmentBytesMax = 1_460
    #expect(flow.outcome(of: error(FlowFixture.receiveNext)) == nil)
  }

  @Test(arguments: [0, 1, 68, 296, 551])
  func anMTUThatNoPathHasIsNotBelieved(mtu: Int) {
    let flow = Told(FlowFixture.established)
    #expect(flow.outcome(of: error(mtu: mtu)) == .icmpNotCredible)
    #expect(flow.outcome(of: error(mtu: 552)) == nil)
    #expect(flow.flow.segmentBytesMax == 512)
  }

  @Test(arguments: [(1_300, false), (1_200, false), (1_301, true), (60_000, true)])
  func whatWasTooBigIsLargerThanWhatFits(quotedLength: Int, isBelieved: Bool) {
    let flow = Told(FlowFixture.established)
    #expect((flow.outcome(of: error(mtu: 1_300, quotedLength: quotedLength)) == nil) == isBelieved)
  }

  @Test func aLoweredLimitIsForgottenAfterTenMinutesAndNotBefore() {
    let flow = Told(FlowFixture.established)
    #expect(!flow.renews(now: .max), "nothing was lowered")
    #expect(flow.outcome(of: error(mtu: 1_300)) == nil)
    flow.flow.hasReportedSize = true
    let end = FlowFixture.start + Self.lifetime
    #expect(!flow.renews(now: end - 1))
    #expect(flow.flow.segmentBytesMax == 1_260)
    #expect(flow.renews(now: end))
    #expect(flow.flow.segmentBytesMax == 1_460)
    #expect(!flow.flow.hasReportedSize)
    #expect(!flow.renews(now: .max))
  }

  @Test func aStillLowerLimitBeginsItsTimeAnew() {
    let flow = Told(FlowFixture.established)
    #expect(flow.outcome(of: error(mtu: 1_400)) == nil)
    #expect(flow.outcome(of: error(mtu: 1_300), now: FlowFixture.start + 100) == nil)
    #expect(!flow.renews(now: FlowFixture.start + Self.lifetime))
    #expect(flow.renews(now: FlowFixture.start + 100 + Self.lifetime))
  }
}

/// A flow that is told of errors.
private final class Told {
  var flow: Flow

  init(_ flow: Flow) { self.flow = flow }

  /// What became of an error: nil when it lowered the limit.
  func outcome(of error: PacketTooBig, now: UInt64 = FlowFixture.start) -> DropReason? {
    do throws(DropReason) {
      try flow.lowerLimit(error, now: now)
      return nil
    } catch {
      return error
    }
  }

  func renews(now: UInt64) -> Bool { flow.renewLimit(1_460, now: now) }
}
