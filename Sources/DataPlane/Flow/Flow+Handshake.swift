/// The state machine: a segment or the clock in, a reaction out. Pure.
extension Flow {
  /// Opens actively: the SYN to send. Stock's servers take no other ISN than 0.
  mutating func open(now: UInt64) -> SegmentHeader {
    state = .synSent
    sendNext = SequenceNumber(0)
    acknowledged = SequenceNumber(0)
    tries = 1
    retryAt = now &+ Limits.synIntervalNanoseconds
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
    lastActivity = now
    return control(.ack)
  }

  /// Takes a segment whose 4-tuple is this flow's.
  mutating func receive(_ segment: Segment, now: UInt64) -> Reaction {
    switch state {
    case .established, .unconfirmed: receiveEstablished(segment, now: now)
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
    let roundTrip = now &- (retryAt &- Limits.synIntervalNanoseconds)
    state = .unconfirmed
    firstFlightLeft = Int32(Limits.firstFlightBytes)
    retryAt = now &+ max(Limits.confirmationNanosecondsMin, 2 &* roundTrip)
    sendNext += 1
    receiveNext = segment.sequence + 1
    acknowledged = receiveNext
    lastActivity = now
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
    lastActivity = now
    let isFirst = state == .unconfirmed
    state = .established
    guard segment.payloadLength > 0 else { return Reaction(releasesHeld: isFirst) }
    var reaction = acknowledge(upTo: segment.sequence + segment.payloadLength, now: now)
    reaction.releasesHeld = isFirst
    return reaction
  }

  /// What the clock demands. Call when `deadline` has passed.
  mutating func expire(now: UInt64, idleNanoseconds: UInt64) -> Reaction {
    switch state {
    case .free: return Reaction()
    case .synSent:
      guard now >= retryAt else { return Reaction() }
      guard tries < Limits.synTries else {
        return Reaction(effect: .close(isRefused ? .refused : .unanswered))
      }
      tries += 1
      isRefused = false
      retryAt = now &+ Limits.synIntervalNanoseconds
      return Reaction(reply: control(.syn))
    case .unconfirmed, .established:
      if state == .unconfirmed, now >= retryAt {
        // A stock server says nothing until it has data: go on without.
        state = .established
        return Reaction(releasesHeld: true)
      }
      if now &- lastActivity >= idleNanoseconds {
        return Reaction(effect: .close(.idle), reply: reset)
      }
      guard ackDueAt != 0, now >= ackDueAt else { return Reaction() }
      ackDueAt = 0
      guard unacknowledged != 0 else { return Reaction() }
      acknowledged = receiveNext
      return Reaction(reply: control(.ack))
    }
  }

  /// When `expire` has something to do next, in nanoseconds of the same clock.
  func deadline(idleNanoseconds: UInt64) -> UInt64 {
    guard state == .established else { return retryAt }
    let idleAt = lastActivity &+ idleNanoseconds
    return ackDueAt == 0 ? idleAt : min(idleAt, ackDueAt)
  }
}
