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
    // No GRO would merge what goes back after a pause with what went before it: it may acknowledge at once.
    let isAfterPause = now &- lastActivity >= Limits.ackPauseNanoseconds
    ackDueAt = now &+ (isAfterPause ? Limits.ackPiggybackNanoseconds : Limits.ackDelayNanoseconds)
    return Reaction(effect: .deliver, deadlineMoved: true)
  }

  /// When a pure ACK goes for what is outstanding; nil where nothing is.
  func pureAckDueAt(isWatched: Bool) -> UInt64? {
    guard ackDueAt != 0 else { return nil }
    return isWatched ? ackDueAt &+ Limits.ackPatienceNanoseconds : ackDueAt
  }

  /// The pure ACK for what has been outstanding too long.
  mutating func acknowledgementDue(now: UInt64, isWatched: Bool) -> SegmentHeader? {
    guard let due = pureAckDueAt(isWatched: isWatched), now >= due else { return nil }
    ackDueAt = 0
    guard unacknowledged != 0 else { return nil }
    acknowledged = receiveNext
    return control(.ack)
  }

  /// The ack field for data that leaves now. It spares a pure ACK where something has been outstanding for long.
  mutating func acknowledgementForData(now: UInt64) -> SequenceNumber {
    let outstanding = unacknowledged
    if outstanding >= Limits.ackStepBytes {
      acknowledged = receiveNext
    } else if outstanding > 0, now &+ Limits.ackPiggybackNanoseconds >= ackDueAt {
      acknowledged = receiveNext
      ackDueAt = 0
    }
    return acknowledged
  }
}
