/// The state machine: a segment or the clock in, a reaction out. Pure.
extension Flow {
  /// Opens actively: the SYN to send. Stock's servers take no other ISN than 0.
  mutating func open(now: UInt64) -> SegmentHeader {
    state = .synSent
    sendNext = SequenceNumber(0)
    acknowledged = SequenceNumber(0)
    tries = 1
    since = now
    retryAt = now &+ synInterval
    return control(.syn)
  }

  /// Opens passively: `segment` carried our cookie back. Its payload, if any, is delivered like any other.
  ///
  /// Returns the pure ACK that tells conntrack on the path our scaled window; without it, conntrack calls
  /// more than 65 535 bytes in flight INVALID for as long as we have nothing to send.
  mutating func accept(_ segment: Segment, now: UInt64) -> SegmentHeader {
    state = .established
    sendNext = segment.acknowledgement
    receiveNext = segment.sequence
    acknowledged = segment.sequence
    // What comes first is acknowledged by what leaves first, as after a pause.
    ackDueAt = now &+ Limits.ackPiggybackNanoseconds
    lastActivity = now
    openedAt = now
    return control(.ack)
  }

  /// Takes a segment whose 4-tuple is this flow's.
  mutating func receive(_ segment: Segment, now: UInt64) -> Reaction {
    switch state {
    case .established, .unconfirmed, .suspended: receiveEstablished(segment, now: now)
    case .synSent: receiveSynSent(segment, now: now)
    case .free: Reaction(effect: .drop(.unknownFlow))
    }
  }

  /// RFC 9293 §3.10.7.3.
  private mutating func receiveSynSent(_ segment: Segment, now: UInt64) -> Reaction {
    let acknowledgesSYN =
      segment.flags.contains(.ack) && segment.acknowledgement == sendNext + 1
    if segment.flags.contains(.rst) {
      guard acknowledgesSYN else { return Reaction(effect: .drop(.resetNotCredible)) }
      // Nobody listens there yet, or any more. What waits goes on waiting, and is not sent a SYN each.
      isRefused = true
      retryAt = now &+ Limits.refusalNanoseconds
      return Reaction(deadlineMoved: true)
    }
    guard acknowledgesSYN else {
      guard segment.flags.contains(.ack) else { return Reaction(effect: .drop(.badFlags)) }
      // The other end holds a flow that we know nothing of: a reset at its own ack is credible to it.
      var reply = reset
      reply.sequence = segment.acknowledgement
      return Reaction(effect: .drop(.unknownFlow), reply: reply)
    }
    guard segment.flags.contains(.syn) else { return Reaction(effect: .drop(.badFlags)) }
    // Longer than until another SYN is due means that we got no CPU meanwhile.
    let roundTrip = min(now &- since, Limits.synIntervalNanoseconds)
    openedAt = now
    handshakeMicroseconds = UInt32(clamping: roundTrip / 1_000)
    state = .unconfirmed
    firstFlightLeft = Int32(Limits.firstFlightBytes)
    retryAt = now &+ max(Limits.confirmationNanosecondsMin, 2 &* roundTrip)
    sendNext += 1
    receiveNext = segment.sequence + 1
    acknowledged = receiveNext
    lastActivity = now
    liveness = Liveness(now: now, heard: segment.acknowledgement)
    return Reaction(
      effect: .established, reply: control(.ack), releasesHeld: true, deadlineMoved: true)
  }

  /// A first segment confirms the flow: conntrack on the path has now seen the other end's scaled window.
  private mutating func receiveEstablished(_ segment: Segment, now: UInt64) -> Reaction {
    if !segment.flags.isDisjoint(with: [.rst, .syn]) { return receiveControl(segment, now: now) }
    guard segment.flags.contains(.ack) else { return Reaction(effect: .drop(.badFlags)) }
    guard isPlausible(segment) || followsStray(segment) else {
      return Reaction(effect: .drop(.outsideWindow))
    }
    noteHeard(segment, now: now)
    let releasesHeld = state != .established
    state = .established
    var reaction: Reaction
    if segment.payloadLength > 0 {
      reaction = acknowledge(upTo: segment.sequence + segment.payloadLength, now: now)
      if now &- lastActivity >= Limits.quietNanoseconds {
        beWatched(now: now)
        reaction.deadlineMoved = true
      }
      lastActivity = now
    } else {
      reaction = receiveEmpty(segment, now: now)
    }
    if releasesHeld {
      beWatched(now: now)
      (reaction.releasesHeld, reaction.deadlineMoved) = (true, true)
    }
    return reaction
  }

  /// What the clock demands. Call when `deadline` has passed; earlier does no harm.
  ///
  /// `keepalive`: how long a client's flow may be silent, in nanoseconds (0: for ever); nil where nobody
  /// watches over it, at a server.
  mutating func expire(now: UInt64, idleNanoseconds: UInt64, keepalive: UInt64? = nil) -> Reaction {
    switch state {
    case .free: return Reaction()
    case .synSent: return expireSynSent(now: now)
    case .unconfirmed where now >= retryAt:
      // A stock server says nothing until it has data: ask it once, then go on without.
      if keepalive != nil, liveness.witness == .unknown { return probe(now: now) }
      state = .established
      return Reaction(releasesHeld: true)
    case .unconfirmed, .established, .suspended:
      if now &- lastActivity >= idleNanoseconds {
        return Reaction(effect: .close(.idle), reply: reset)
      }
      let acknowledgement = acknowledgementDue(now: now, isWatched: keepalive != nil)
      guard let keepalive, state != .unconfirmed else { return Reaction(reply: acknowledgement) }
      var reaction = watch(now: now, keepalive: keepalive)
      if reaction.reply == nil { reaction.reply = acknowledgement }
      return reaction
    }
  }

  private mutating func expireSynSent(now: UInt64) -> Reaction {
    guard now >= retryAt else { return Reaction() }
    guard tries < triesMax else { return Reaction(effect: .close(isRefused ? .refused : .unanswered)) }
    tries += 1
    isRefused = false
    // A successor that nothing waits for tries ever less often.
    let isWanted = pendingHead != Self.noBuffer || partner == Self.noFlow
    backoff = isWanted ? 0 : min(backoff + 1, Limits.backoffMax)
    since = now
    retryAt = now &+ synInterval
    return Reaction(reply: control(.syn))
  }

  private var synInterval: UInt64 { Limits.synIntervalNanoseconds &<< UInt64(backoff) }

  /// A datagram has come to wait for the handshake: whether the next SYN is now due earlier.
  mutating func hurry(now: UInt64) -> Bool {
    guard state == .synSent, backoff > 0 else { return false }
    backoff = 0
    retryAt = max(now, since &+ synInterval)
    return true
  }

  /// When `expire` has something to do next, in nanoseconds of the same clock.
  func deadline(idleNanoseconds: UInt64, isWatched: Bool = false) -> UInt64 {
    guard state == .established || state == .suspended else { return retryAt }
    var earliest = lastActivity &+ idleNanoseconds
    if let due = pureAckDueAt(isWatched: isWatched) { earliest = min(earliest, due) }
    return isWatched ? min(earliest, retryAt) : earliest
  }
}
