@testable internal import DataPlane

/// A flow's state machine under any sequence of segments, data sent, ICMP errors and ticks of the clock.
enum FlowTarget {
  static func run(_ input: Input) {
    var input = input
    var run = FlowRun(isClient: input.chance())
    run.start(&input)
    for _ in 0..<512 where !input.isEmpty && !run.isClosed { run.step(&input) }
  }
}

private struct FlowRun {
  private var flow: Flow
  private var now: UInt64 = 1_000_000_000
  private let isClient: Bool
  private(set) var isClosed = false
  /// When the last answer to a segment with RST or SYN went out.
  private var challengedAt: UInt64?
  /// When the oldest byte that is not acknowledged came.
  private var outstandingSince: UInt64?

  private static let key = FlowKey(
    remote: Address("192.0.2.2")!, local: Address("192.0.2.1")!, remotePort: 4_567, localPort: 40_000)
  private static let payloadMax = 1_460
  private static let idle: UInt64 = 180_000_000_000

  init(isClient: Bool) {
    self.isClient = isClient
    flow = Flow(
      key: Self.key, peer: .none, generation: 1, segmentBytesMax: Self.payloadMax, now: now)
  }

  mutating func start(_ input: inout Input) {
    if isClient {
      let syn = flow.open(now: now)
      check(syn.flags == .syn && syn.sequence.value == 0, "what opens a flow is no SYN")
    } else {
      let reply = flow.accept(segment(&input, flags: .ack), now: now)
      check(reply.flags == .ack && reply.payloadLength == 0, "what confirms a flow is no pure ACK")
    }
  }

  mutating func step(_ input: inout Input) {
    switch input.byte() % 8 {
    case 0...3: receive(segment(&input, flags: TCPFlags(rawValue: input.byte())))
    case 4: send(Int(input.word16()))
    case 5: complain(&input)
    default: tick(input.magnitude(bits: 40))
    }
  }

  /// A segment whose numbers lie somewhere about the flow's own.
  private func segment(_ input: inout Input, flags: TCPFlags) -> Segment {
    func somewhere(about number: SequenceNumber) -> SequenceNumber {
      let distance = Int(input.magnitude(bits: 32))
      return number + (input.chance() ? distance : -distance)
    }
    return Segment(
      key: Self.key, sequence: somewhere(about: flow.receiveNext),
      acknowledgement: somewhere(about: flow.sendNext), flags: flags, payloadOffset: 40,
      payloadLength: input.chance() ? Int(input.word16()) : 0, segmentSize: 0)
  }

  // MARK: - What may happen

  private mutating func receive(_ segment: Segment) {
    let before = flow
    let reaction = flow.receive(segment, now: now)
    checkReply(reaction.reply)
    switch reaction.effect {
    case .deliver:
      check(segment.payloadLength > 0, "nothing is delivered")
      check(segment.flags.contains(.ack) && segment.flags.isDisjoint(with: [.rst, .syn]), "odd data")
      check(before.state != .synSent, "data is delivered before the handshake")
      check((0..<Limits.pureAckBytes).contains(flow.unacknowledged), "\(flow.unacknowledged) outstanding")
    case .established:
      check(before.state == .synSent && flow.state != .synSent, "a flow opens twice")
      check(segment.flags.isSuperset(of: [.syn, .ack]), "a flow opens without SYN|ACK")
      check(segment.acknowledgement == before.sendNext + 1, "a SYN|ACK that acknowledges no SYN")
    case .close:
      check(before.state != .synSent, "a handshake is ended from outside")
      check(isCredible(segment, before), "a reset that proves nothing ends a flow")
      isClosed = true
    case .drop, .none, .probeAnswered: break
    case .probe, .suspended: check(false, "a segment demands \(reaction.effect)")
    }
    check(!isAhead(before.state, of: flow.state), "\(before.state) becomes \(flow.state)")
    if before.state != .synSent, !segment.flags.isDisjoint(with: [.rst, .syn]) {
      checkUntouched(before)
      if reaction.reply != nil { noteChallenge() }
    }
    checkNothingIsForgotten()
  }

  private mutating func send(_ count: Int) {
    guard flow.state != .synSent else { return }
    flow.lastActivity = now
    let acknowledgement = flow.acknowledgementForData(now: now)
    check(flow.receiveNext - acknowledgement < Limits.ackStepBytes, "data acknowledges too little")
    checkNothingIsForgotten()
    if let outstandingSince {
      check(now < outstandingSince + Limits.ackPiggybackNanoseconds, "data acknowledges too late")
    }
    flow.sendNext += count
  }

  private mutating func complain(_ input: inout Input) {
    let before = flow.segmentBytesMax
    let error = PacketTooBig(
      key: Self.key, sequence: flow.sendNext + -Int(input.magnitude(bits: 32)),
      acknowledgement: input.byte() & 1 == 0 ? flow.receiveNext + -Int(input.magnitude(bits: 32)) : nil,
      quotedLength: Int(input.word16()), mtu: Int(input.word16()))
    if (try? flow.lowerLimit(error, now: now)) != nil {
      check(flow.segmentBytesMax < before, "an ICMP error raises the limit")
      check(error.mtu < error.quotedLength, "a packet that fits is too big")
    }
    let floor = SegmentHeader.payloadMax(mtu: Limits.pathMTUMinIPv4, isIPv4: true)
    check(Int(flow.segmentBytesMax) >= floor, "a limit of \(flow.segmentBytesMax) bytes")
    if flow.renewLimit(Self.payloadMax, now: now) {
      check(Int(flow.segmentBytesMax) == Self.payloadMax, "a limit that is renewed is another")
    }
  }

  /// Lets time pass, and the flow act until it has nothing more to do.
  private mutating func tick(_ nanoseconds: UInt64) {
    now += nanoseconds
    for _ in 0..<4 {
      guard flow.deadline(idleNanoseconds: Self.idle) <= now else { return checkNothingIsForgotten() }
      let before = flow
      let reaction = flow.expire(now: now, idleNanoseconds: Self.idle)
      checkReply(reaction.reply)
      check(!isAhead(before.state, of: flow.state), "\(before.state) becomes \(flow.state)")
      switch reaction.effect {
      case .close(let reason):
        check(before.state == .synSent || reason == .idle, "the clock closes for \(reason)")
        isClosed = true
        return
      case .none, .probe, .suspended: break
      default: check(false, "the clock demands \(reaction.effect)")
      }
    }
    check(false, "the clock finds something to do again and again")
  }

  // MARK: - What holds at all times

  private func checkReply(_ reply: SegmentHeader?) {
    guard let reply else { return }
    check(reply.key == Self.key && reply.payloadLength == 0, "an answer to somebody else, or with data")
  }

  /// RFC 5961 §3.2, at a place that we can be sure of; else what answers our last segment by both its numbers.
  private func isCredible(_ reset: Segment, _ flow: Flow) -> Bool {
    guard reset.flags.contains(.rst) else { return false }
    guard reset.sequence == flow.receiveNext || reset.sequence == flow.acknowledged else { return false }
    return flow.isPlaceSure
      || (reset.flags.contains(.ack) && reset.acknowledgement == flow.sendNext)
  }

  /// What only claims an end moves none of the flow's numbers.
  private func checkUntouched(_ before: Flow) {
    check(
      flow.sendNext == before.sendNext && flow.receiveNext == before.receiveNext
        && flow.acknowledged == before.acknowledged && flow.lastActivity == before.lastActivity
        && flow.state == before.state, "a segment that proves nothing moves the flow")
  }

  private mutating func noteChallenge() {
    if let last = challengedAt {
      check(now >= last + Limits.challengeIntervalNanoseconds, "two challenges in a tenth of a second")
    }
    challengedAt = now
  }

  private mutating func checkNothingIsForgotten() {
    guard !isClosed, flow.state != .synSent, flow.unacknowledged != 0 else {
      outstandingSince = nil
      return
    }
    outstandingSince = outstandingSince ?? now
    check(flow.ackDueAt != 0, "\(flow.unacknowledged) bytes will never be acknowledged")
  }

  private func isAhead(_ earlier: Flow.State, of later: Flow.State) -> Bool {
    earlier.rawValue > later.rawValue
  }
}
