/// When the ack field moves (docs/decisions/0003-acknowledgements.md).
///
/// GRO at the other end merges only segments with the same ack, so it moves in steps; conntrack on the
/// path wants it to move at all.
extension Flow {
  /// Notes data up to `end`: deliver it, with a pure ACK when enough has come and nothing went back.
  mutating func acknowledge(upTo end: SequenceNumber, now: UInt64) -> Reaction {
    let ahead = end - receiveNext
    // A late segment does not move us back; one from far behind means that the other end lost more than
    // half the sequence space on the way, and its place is the true one.
    if ahead > 0 || ahead < -Limits.reorderingBytesMax { receiveNext = end }
    let outstanding = unacknowledged
    if outstanding >= Limits.pureAckBytes || outstanding < 0 {
      acknowledged = receiveNext
      ackDueAt = 0
      return Reaction(effect: .deliver, reply: control(.ack))
    }
    guard ackDueAt == 0, outstanding > 0 else { return Reaction(effect: .deliver) }
    ackDueAt = now &+ Limits.ackDelayNanoseconds
    return Reaction(effect: .deliver, deadlineMoved: true)
  }

  /// The pure ACK for what has been outstanding too long.
  mutating func acknowledgementDue(now: UInt64) -> SegmentHeader? {
    guard ackDueAt != 0, now >= ackDueAt else { return nil }
    ackDueAt = 0
    guard unacknowledged != 0 else { return nil }
    acknowledged = receiveNext
    return control(.ack)
  }

  /// The ack field for data that leaves now.
  mutating func acknowledgementForData() -> SequenceNumber {
    if unacknowledged >= Limits.ackStepBytes { acknowledged = receiveNext }
    return acknowledged
  }
}
