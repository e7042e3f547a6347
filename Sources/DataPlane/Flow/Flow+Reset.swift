/// What ends a flow from outside, and what only tries to (RFC 5961 §3, §4).
///
/// The other end's own sequence is known to whoever sees the flow, and to nobody else. A segment that claims
/// an end without proving it is answered by a challenge, a pure ACK: an end that has really forgotten the flow
/// answers that with a reset at exactly the number that we sent, which is proof.
extension Flow {
  /// Takes a segment with RST or SYN on a flow whose handshake is done.
  mutating func receiveControl(_ segment: Segment, now: UInt64) -> Reaction {
    guard segment.flags.contains(.rst) else {
      // A SYN|ACK again: our ACK was lost. A SYN: the other end may have restarted.
      return Reaction(effect: .none, reply: challenge(now: now))
    }
    switch credibility(of: segment) {
    case .proven: return Reaction(effect: .close(.resetByPeer))
    case .doubtful: return Reaction(effect: .drop(.resetNotCredible), reply: challenge(now: now))
    case .none: return Reaction(effect: .drop(.resetNotCredible))
    }
  }

  private enum Credibility {
    case none
    case doubtful
    case proven
  }

  private func credibility(of reset: Segment) -> Credibility {
    let unanswered = sendNext - reset.acknowledgement
    let hasACK = reset.flags.contains(.ack)
    // It continues the other end's sequence, or answers our last pure ACK by the number that we acknowledged.
    if reset.sequence == receiveNext || reset.sequence == acknowledged {
      // Data with a forged sender moves our place to wherever it claims, one segment in eight: then only a number
      // of ours is proof.
      if isPlaceSure || (hasACK && unanswered == 0) { return .proven }
      return .doubtful
    }
    let isNear = abs(reset.sequence - receiveNext) <= Limits.resetWindowBytes
    let answersUs = hasACK && (0...Limits.resetWindowBytes).contains(unanswered)
    return isNear || answersUs ? .doubtful : .none
  }

  /// A pure ACK, at most one in a tenth of a second, so that nobody can make us send more than that.
  mutating func challenge(now: UInt64) -> SegmentHeader? {
    guard now >= challengeAt else { return nil }
    challengeAt = now &+ Limits.challengeIntervalNanoseconds
    return control(.ack)
  }
}
