import Testing

@testable import DataPlane

/// When a client's flow asks whether the other end is there, and what follows from the answer.
@Suite struct FlowLivenessTests {
  private let second = FlowFixture.second
  private let start = FlowFixture.start
  private let keepalive = 60 * FlowFixture.second

  /// A flow whose other end has answered probes before, when `start` was.
  private var proven: Flow {
    var flow = FlowFixture.established
    flow.retryAt = start
    _ = flow.receive(FlowFixture.segment(.ack), now: start)
    return flow
  }

  private func look(_ flow: inout Flow, at now: UInt64) -> Reaction {
    flow.expire(now: now, idleNanoseconds: FlowFixture.idle, keepalive: keepalive)
  }

  private func deadline(_ flow: Flow) -> UInt64 {
    flow.deadline(idleNanoseconds: FlowFixture.idle, isWatched: true)
  }

  /// Lets the clock run from deadline to deadline until `end`; returns what the flow asked for, and when.
  private func run(_ flow: inout Flow, from: UInt64, to end: UInt64) -> [(at: UInt64, Reaction)] {
    var reactions: [(at: UInt64, Reaction)] = []
    var now = from
    _ = look(&flow, at: now)
    while deadline(flow) < end {
      now = max(now, deadline(flow))
      let reaction = look(&flow, at: now)
      if reaction.effect != .none { reactions.append((now, reaction)) }
      if case .close = reaction.effect { break }
    }
    return reactions
  }

  @Test
  func `datagrams without an answer are asked after from a second and a half on, and given up after four`() {
    var flow = proven
    flow.resume(now: start + second)
    flow.lastActivity = start + second
    let reactions = run(&flow, from: start + second, to: start + 6 * second)
    #expect(
      reactions.prefix(6).map { ($0.at - start) / 100_000_000 } == [25, 30, 35, 40, 45, 50])
    #expect(reactions.prefix(6).map(\.1.effect) == [.probe, .probe, .probe, .probe, .probe, .suspended])
    #expect(flow.state == .suspended)
  }

  @Test(arguments: zip([1, 50_000, 100_000, 2_000_000], [26, 27, 29, 30] as [UInt64]))
  func `the second probe follows the round trip, where that is known, and the others keep their times`(
    roundTripMicroseconds: UInt32, tenths: UInt64
  ) {
    var flow = proven
    flow.probeMicroseconds = roundTripMicroseconds
    flow.resume(now: start + second)
    flow.lastActivity = start + second
    let reactions = run(&flow, from: start + second, to: start + 6 * second)
    #expect(reactions.prefix(6).map { ($0.at - start) / 100_000_000 } == [25, tenths, 35, 40, 45, 50])
    #expect(reactions.prefix(6).map(\.1.effect) == [.probe, .probe, .probe, .probe, .probe, .suspended])
  }

  @Test func `only an end that owes two answers is doubted, and given up at the next look`() {
    var flow = proven
    #expect(!flow.isDoubted)
    flow.liveness.unanswered = 1
    #expect(!flow.isDoubted)
    flow.liveness.unanswered = 2
    #expect(flow.isDoubted)
    flow.liveness.witness = .mute
    #expect(!flow.isDoubted, "it never answered any")
    flow.liveness.witness = .proven
    flow.giveUp(now: start + second)
    #expect(look(&flow, at: start + second).effect == .suspended)
    #expect(!flow.isDoubted)
  }

  @Test func `a probe lies just before what was acknowledged, a later one further back`() throws {
    var flow = proven
    flow.resume(now: start)
    flow.lastActivity = start + 1
    let probes = run(&flow, from: start + 1, to: start + 3 * second).compactMap(\.1.reply)
    #expect(probes.count == 3)
    #expect(probes[0].flags == .ack && probes[0].payloadLength == 0)
    #expect(probes[0].sequence == FlowFixture.sendNext + -1)
    #expect(probes[1].sequence - FlowFixture.sendNext == -2 - Limits.probeStepBytes)
    #expect(probes.allSatisfy { $0.acknowledgement == flow.acknowledged })
  }

  @Test func `a silent flow asks when the keepalive is due, and sleeps when it is answered`() {
    var flow = proven
    #expect(look(&flow, at: start + 2 * second).effect == .none)
    #expect(deadline(flow) == start + keepalive)
    let probe = look(&flow, at: start + keepalive)
    #expect(probe.effect == .probe)
    _ = flow.receive(FlowFixture.segment(.ack), now: start + keepalive + 1)
    #expect(look(&flow, at: start + keepalive + 2).effect == .none)
    #expect(deadline(flow) == start + 2 * keepalive + 1)
    #expect(flow.lastActivity == start, "a sign of life is no traffic")
  }

  @Test func `without a keepalive a silent flow asks nothing, and one with traffic still does`() {
    var flow = proven
    #expect(
      flow.expire(now: start + 2 * second, idleNanoseconds: FlowFixture.idle, keepalive: 0).effect == .none)
    #expect(deadline(flow) == start + FlowFixture.idle)
    flow.resume(now: start + 10 * second)
    flow.lastActivity = start + 10 * second
    #expect(deadline(flow) == start + 10 * second + Limits.silenceNanoseconds)
  }

  @Test
  func `an end that answered a process before this one is asked at once, and given up when it is silent`() {
    for (witness, state) in [(Liveness.Witness.resumed, Flow.State.suspended), (.unknown, .established)] {
      var flow = FlowFixture.established
      flow.liveness.witness = witness
      flow.retryAt = start
      flow.lastActivity = start
      #expect(look(&flow, at: start).effect == .probe)
      let reactions = run(&flow, from: start, to: start + 4 * second)
      #expect(reactions.filter { $0.1.effect == .probe }.count == 4)
      #expect(flow.state == state)
    }
  }

  @Test func `an end that never answers is never given up`() {
    var flow = FlowFixture.established
    var probes = 0
    for step in UInt64(0)..<1_200 {
      flow.lastActivity = start + step * second / 2
      let reaction = look(&flow, at: flow.lastActivity)
      if reaction.effect == .probe { probes += 1 }
      #expect(flow.state == .established)
    }
    // Five at first, then five a minute.
    #expect(probes <= 60)
  }

  @Test func `whatever comes wakes a suspended flow, and lets go what waited`() {
    for length in [0, 100] {
      var flow = proven
      flow.state = .suspended
      flow.liveness.unanswered = 5
      let reaction = flow.receive(FlowFixture.segment(.ack, length: length), now: start + 9 * second)
      #expect(reaction.releasesHeld && reaction.deadlineMoved)
      #expect(flow.state == .established && flow.liveness.unanswered == 0)
    }
  }

  @Test func `a suspended flow asks each second while datagrams come, ever more rarely while none do`() {
    var flow = proven
    flow.state = .suspended
    flow.retryAt = start + second
    flow.lastActivity = start
    let rare = run(&flow, from: start, to: start + 150 * second)
    #expect(rare.map { ($0.at - start) / second } == [1, 2, 4, 8, 16, 32, 64, 128])
    #expect(rare.allSatisfy { $0.1.effect == .suspended })
    flow.lastActivity = start + 150 * second
    flow.retryAt = start + 151 * second
    let often = run(&flow, from: start + 150 * second, to: start + 152 * second)
    #expect(often.count == 1 && flow.retryAt == start + 152 * second)
  }

  @Test(arguments: [1, 100, Limits.resetWindowBytes])
  func `an old segment without payload is answered by an ACK of everything`(age: Int) {
    var flow = FlowFixture.established
    flow.acknowledged = FlowFixture.receiveNext + -1_000
    let probe = FlowFixture.segment(.ack, sequence: FlowFixture.receiveNext + -age)
    let reaction = flow.receive(probe, now: start + second)
    #expect(reaction.effect == .none)
    #expect(
      reaction.reply
        == SegmentHeader(
          key: FlowFixture.key, sequence: FlowFixture.sendNext, acknowledgement: FlowFixture.receiveNext,
          flags: .ack))
    #expect(flow.receive(probe, now: start + second + 1).reply == nil, "not so soon again")
    #expect(flow.receive(probe, now: start + 2 * second).reply != nil)
  }

  @Test(arguments: [0, -1, -1_000, Limits.resetWindowBytes + 1, 1 << 30])
  func `no other segment without payload is answered`(age: Int) {
    var flow = FlowFixture.established
    let segment = FlowFixture.segment(.ack, sequence: FlowFixture.receiveNext + -age)
    #expect(flow.receive(segment, now: start + second).reply == nil)
  }

  @Test func `what a blind guess acknowledges does not lead probes astray`() {
    var flow = proven
    let forged = FlowFixture.segment(.ack, acknowledgement: FlowFixture.sendNext + 0x2000_0000)
    _ = flow.receive(forged, now: start + 1)
    #expect(flow.liveness.heard == FlowFixture.sendNext)
  }

  @Test func `nobody watches over a server's flow`() {
    var flow = FlowFixture.established
    flow.lastActivity = start + 1
    for step in UInt64(1)..<170 {
      let reaction = flow.expire(now: start + step * second, idleNanoseconds: FlowFixture.idle)
      #expect(reaction.effect == .none && reaction.reply == nil)
    }
  }
}
