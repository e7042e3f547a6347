/// Whether the path still answers (docs/decisions/0040-liveness.md).
///
/// A probe is TCP's keepalive: no payload, and a sequence number before what the other end has acknowledged
/// (RFC 9293 §3.8.4), which it answers by an ACK. Only an end that has answered before is missed when it
/// does not.
extension Flow {
  /// Notes that the other end is there. Before its place moves on.
  @inline(__always)
  mutating func noteHeard(_ segment: Segment, now: UInt64) {
    liveness.heardAt = now
    liveness.unanswered = 0
    // Nobody off the path shall lead our probes astray.
    let isRecent = sendNext.value &- segment.acknowledgement.value <= UInt32(Limits.resetWindowBytes)
    if isRecent { liveness.heard = segment.acknowledgement }
    if segment.payloadLength > 0 { noteFit(segment, isRecent: isRecent) }
  }

  /// Takes a pure ACK: proof that the other end answers probes, and perhaps one itself.
  @inline(never)
  mutating func receiveEmpty(_ segment: Segment, now: UInt64) -> Reaction {
    liveness.witness = .proven
    // It may be a probe, but how far it lies back, nobody can tell where the place was another.
    let reply = regainPlace(by: segment) ? challenge(now: now) : answer(toProbe: segment, now: now)
    guard probedAt != 0 else { return Reaction(reply: reply) }
    probeMicroseconds = UInt32(clamping: max(1_000, now &- probedAt) / 1_000)
    probedAt = 0
    return Reaction(effect: .probeAnswered, reply: reply)
  }

  /// The ACK that a segment without payload asks for by being old (RFC 9293 §3.10.7.4, first step).
  private mutating func answer(toProbe segment: Segment, now: UInt64) -> SegmentHeader? {
    let age = receiveNext - segment.sequence
    guard age > 0, age <= Limits.resetWindowBytes, var answer = challenge(now: now) else { return nil }
    acknowledged = receiveNext
    answer.acknowledgement = receiveNext
    return answer
  }

  /// A datagram goes after a pause: silence counts from now on.
  mutating func resume(now: UInt64) {
    since = now
    if liveness.unanswered == 0 { retryAt = now &+ Limits.silenceNanoseconds }
  }

  /// The other end speaks after a pause, or answers again: what goes back may meet a dead path.
  @inline(never)
  mutating func beWatched(now: UInt64) { retryAt = min(retryAt, now &+ Limits.quietNanoseconds) }

  /// Looks at an established flow: is an answer overdue?
  mutating func watch(now: UInt64, keepalive: UInt64) -> Reaction {
    if state == .suspended { return watchSuspended(now: now) }
    if liveness.witness == .unknown || liveness.witness == .resumed { return probe(now: now) }
    if liveness.unanswered > 0 {
      guard now >= retryAt else { return Reaction() }
      if liveness.unanswered < Limits.probeTries { return probe(now: now) }
      if liveness.witness == .proven {
        state = .suspended
        tries = 0
        retryAt = now
        return watchSuspended(now: now)
      }
      liveness.unanswered = 0
      liveness.witness = .mute
      since = now
    }
    retryAt = probeDueAt(now: now, keepalive: keepalive)
    return now >= retryAt ? probe(now: now) : Reaction()
  }

  /// When silence will have lasted too long, or, while there is none, when to look again.
  private func probeDueAt(now: UInt64, keepalive: UInt64) -> UInt64 {
    let isAnswerDue = lastActivity > liveness.heardAt
    if isAnswerDue {
      let patience = liveness.witness == .mute ? Limits.muteNanoseconds : Limits.silenceNanoseconds
      return max(liveness.heardAt, since) &+ patience
    }
    if now &- lastActivity < Limits.quietNanoseconds { return now &+ Limits.quietNanoseconds }
    // Asleep: the next datagram wakes it (`resume`).
    return keepalive == 0 ? .max : max(liveness.heardAt, since) &+ keepalive
  }

  /// Asks on, each second while there is traffic, else ever less often.
  private mutating func watchSuspended(now: UInt64) -> Reaction {
    guard now >= retryAt else { return Reaction() }
    let isWanted = now &- lastActivity < Limits.reopeningNanoseconds
    var reaction = probe(now: now)
    tries = isWanted ? 0 : min(tries + 1, Limits.backoffMax)
    retryAt = now &+ Limits.synIntervalNanoseconds &<< UInt64(tries)
    reaction.effect = .suspended
    return reaction
  }

  /// Asks for a sign of life.
  mutating func probe(now: UInt64) -> Reaction {
    switch liveness.witness {
    case .unknown: liveness.witness = .asked
    case .resumed: liveness.witness = .proven
    case .asked, .mute, .proven: break
    }
    liveness.heard += -1
    // Which of several an answer is to, nobody can tell (Karn's rule, RFC 6298 §3).
    probedAt = liveness.unanswered == 0 ? now : 0
    let header = probeHeader
    liveness.unanswered = min(liveness.unanswered + 1, Limits.probeTries)
    retryAt = now &+ probeWait
    return Reaction(effect: .probe, reply: header)
  }

  /// How long the last probe's answer is waited for: the first one's little longer than a round trip, where that is
  /// known, since the second brings a look-up of the server's name. The third comes when it would have come anyway.
  private var probeWait: UInt64 {
    let interval = Limits.probeIntervalNanoseconds
    guard liveness.unanswered <= 2 else { return interval }
    let roundTrip = UInt64(max(handshakeMicroseconds, probeMicroseconds)) * 1_000
    let patience = max(Limits.firstProbeNanosecondsMin, Limits.firstProbeRoundTrips * roundTrip)
    let first = roundTrip == 0 ? interval : min(patience, interval)
    return liveness.unanswered == 1 ? first : 2 * interval - first
  }

  /// Whether an end that answers probes owes the answer to two of them.
  var isDoubted: Bool { state == .established && liveness.witness == .proven && liveness.unanswered > 1 }

  /// Lets the next look, which is due now, give up a path that is doubted.
  mutating func giveUp(now: UInt64) {
    liveness.unanswered = Limits.probeTries
    retryAt = now
  }

  /// A stock end answers numbers before those that it acknowledged last. Segments that it got late may have
  /// made it go back further than we know: the step of later probes covers that.
  var probeHeader: SegmentHeader {
    var header = control(.ack)
    header.sequence = liveness.heard + -Int(liveness.unanswered) * Limits.probeStepBytes
    return header
  }
}
