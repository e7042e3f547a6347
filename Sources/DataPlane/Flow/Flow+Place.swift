/// How sure we are of where the other end is in its sequence (docs/decisions/0047-credible-resets.md).
///
/// Our place follows what comes, since nothing is retransmitted, so whoever forges a segment may lead it away. But
/// he does not see what we send: nothing tells us where the place is again, unless it acknowledges what had been
/// sent when it was lost.
extension Flow {
  /// Whether a reset may be believed for naming our place.
  var isPlaceSure: Bool { liveness.steadiness == Limits.steadySegments }

  /// Notes data that are taken, before our place follows them. `isRecent`: whether they acknowledge what was sent lately.
  @inline(__always)
  mutating func noteFit(_ segment: Segment, isRecent: Bool) {
    let ahead = segment.sequence - receiveNext
    guard isRecent, ahead <= Limits.steadyGapBytes, ahead >= -Limits.reorderingBytesMax else {
      return losePlace()
    }
    // What is late says nothing for the place that we have.
    if !isPlaceSure, ahead >= 0 { growSteadier(by: segment) }
  }

  @inline(never)
  private mutating func losePlace() {
    liveness.steadiness = 0
    placeLostAt = sendNext
  }

  @inline(never)
  private mutating func growSteadier(by segment: Segment) {
    if acknowledgesSinceLoss(segment) { liveness.steadiness += 1 }
  }

  /// Takes the place of an end that sends no data from its pure ACK, where somebody else's data have led us away.
  /// Returns whether it did.
  mutating func regainPlace(by segment: Segment) -> Bool {
    let isFar = abs(segment.sequence - receiveNext) > Limits.steadyGapBytes
    guard isFar, !isPlaceSure, acknowledgesSinceLoss(segment) else { return false }
    receiveNext = segment.sequence
    acknowledged = receiveNext
    ackDueAt = 0
    return true
  }

  private func acknowledgesSinceLoss(_ segment: Segment) -> Bool {
    segment.acknowledgement - placeLostAt >= 0 && sendNext - segment.acknowledgement >= 0
  }
}
