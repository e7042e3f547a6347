import Testing

@testable import DataPlane

/// What a segment does, for every state, all 64 flag combinations, and each way in which its numbers may be right.
///
/// The expectations follow RFC 9293 §3.10.7.3 and §3.10.7.4, RFC 5961 §3 and §4, and what stock puts on the wire.
@Suite struct FlowStateTableTests {
  /// One line of the table.
  struct Case: CustomTestStringConvertible {
    var flags: TCPFlags
    var isAckRight: Bool
    var isSequenceNear: Bool
    var length: Int

    var testDescription: String {
      "flags \(flags.rawValue), ack \(isAckRight), sequence \(isSequenceNear), \(length) bytes"
    }

    static let all: [Case] = (0..<64).flatMap { (rawValue: UInt8) in
      [true, false].flatMap { ack in
        [true, false].flatMap { near in
          [0, 100].map {
            Case(flags: TCPFlags(rawValue: rawValue), isAckRight: ack, isSequenceNear: near, length: $0)
          }
        }
      }
    }
  }

  struct Answer: Equatable {
    var effect: Reaction.Effect
    var reply: SegmentHeader?
    var state: Flow.State
    var releasesHeld = false
  }

  private func answer(of flow: inout Flow, to segment: Segment) -> Answer {
    let reaction = flow.receive(segment, now: FlowFixture.start + FlowFixture.second)
    return Answer(
      effect: reaction.effect, reply: reaction.reply, state: flow.state, releasesHeld: reaction.releasesHeld)
  }

  private func header(_ flags: TCPFlags, _ sequence: SequenceNumber, _ acknowledgement: SequenceNumber)
    -> SegmentHeader
  {
    SegmentHeader(key: FlowFixture.key, sequence: sequence, acknowledgement: acknowledgement, flags: flags)
  }

  // MARK: - SYN-SENT

  @Test(arguments: Case.all)
  func `SYN sent`(line: Case) {
    var flow = FlowFixture.synSent
    let before = FlowState(flow)
    let acknowledgement = SequenceNumber(line.isAckRight ? 1 : 0x4000_0000)
    let sequence = SequenceNumber(line.isSequenceNear ? 0 : 0xdead_beef)
    let segment = FlowFixture.segment(
      line.flags, sequence: sequence, acknowledgement: acknowledgement, length: line.length)
    let found = answer(of: &flow, to: segment)
    #expect(found == wantedWhileSynSent(line, sequence, acknowledgement))
    let isRefusal = line.flags.isSuperset(of: [.rst, .ack]) && line.isAckRight
    #expect(flow.isRefused == isRefusal)
    if found.state == .synSent, !isRefusal { #expect(FlowState(flow) == before) }
  }

  private func wantedWhileSynSent(_ line: Case, _ sequence: SequenceNumber, _ acknowledgement: SequenceNumber)
    -> Answer
  {
    func dropped(_ reason: DropReason, _ reply: SegmentHeader? = nil) -> Answer {
      Answer(effect: .drop(reason), reply: reply, state: .synSent)
    }
    let hasRightAck = line.flags.contains(.ack) && line.isAckRight
    // A reset must acknowledge our SYN.
    if line.flags.contains(.rst) {
      guard hasRightAck else { return dropped(.resetNotCredible) }
      // The SYN is sent again after a while.
      return Answer(effect: .none, reply: nil, state: .synSent)
    }
    // An ACK of something never sent is answered by a reset that the sender must believe.
    if line.flags.contains(.ack), !line.isAckRight {
      return dropped(.unknownFlow, header(.rst, acknowledgement, SequenceNumber(0)))
    }
    // There is no simultaneous open: both ends know their role.
    guard hasRightAck, line.flags.contains(.syn) else { return dropped(.badFlags) }
    return Answer(
      effect: .established, reply: header(.ack, SequenceNumber(1), sequence + 1), state: .unconfirmed,
      releasesHeld: true)
  }

  // MARK: - ESTABLISHED

  @Test(arguments: [Flow.State.established, .unconfirmed], Case.all)
  func `the handshake is complete`(state: Flow.State, line: Case) {
    var flow = FlowFixture.established
    flow.state = state
    let before = FlowState(flow)
    let sequence = line.isSequenceNear ? FlowFixture.receiveNext : FlowFixture.receiveNext + 0x3000_0000
    let acknowledgement = FlowFixture.sendNext + (line.isAckRight ? 0 : 0x3000_0000)
    let segment = FlowFixture.segment(
      line.flags, sequence: sequence, acknowledgement: acknowledgement, length: line.length)
    let found = answer(of: &flow, to: segment)
    #expect(found == wanted(line, state, sequence))
    // Only data changes anything.
    let isData =
      line.flags.isDisjoint(with: [.rst, .syn]) && line.flags.contains(.ack) && line.length > 0
      && (line.isSequenceNear || line.isAckRight)
    #expect((flow.lastActivity > before.lastActivity) == isData)
    if !isData {
      #expect(FlowState(flow) == before.with(state: found.state))
    }
  }

  private func wanted(_ line: Case, _ state: Flow.State, _ sequence: SequenceNumber) -> Answer {
    func stays(_ effect: Reaction.Effect, _ reply: SegmentHeader? = nil) -> Answer {
      Answer(effect: effect, reply: reply, state: state)
    }
    let challenge = header(.ack, FlowFixture.sendNext, FlowFixture.receiveNext)
    if line.flags.contains(.rst) {
      if line.isSequenceNear { return stays(.close(.resetByPeer)) }
      let isDoubtful = line.flags.contains(.ack) && line.isAckRight
      return stays(.drop(.resetNotCredible), isDoubtful ? challenge : nil)
    }
    if line.flags.contains(.syn) {
      return stays(.none, challenge)
    }
    // Stock tolerates PSH, URG and FIN.
    guard line.flags.contains(.ack) else { return stays(.drop(.badFlags)) }
    guard line.isSequenceNear || line.isAckRight else { return stays(.drop(.outsideWindow)) }
    // A jump ahead leaves more than the pure-ACK bound unacknowledged.
    let isLeftBehind = line.length > 0 && !line.isSequenceNear
    // The first segment that is not a SYN confirms the flow.
    return Answer(
      effect: line.length > 0 ? .deliver : .none,
      reply: isLeftBehind ? header(.ack, FlowFixture.sendNext, sequence + line.length) : nil,
      state: .established, releasesHeld: state == .unconfirmed)
  }

  // MARK: - Free

  @Test(arguments: 0..<64 as Range<UInt8>)
  func `a flow of no state takes nothing`(rawValue: UInt8) {
    var flow = FlowFixture.free
    let segment = FlowFixture.segment(TCPFlags(rawValue: rawValue), length: 10)
    #expect(answer(of: &flow, to: segment) == Answer(effect: .drop(.unknownFlow), reply: nil, state: .free))
  }
}
