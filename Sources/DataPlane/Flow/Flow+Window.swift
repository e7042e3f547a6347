/// Which segments may come from the other end at all (RFC 9293 §3.4, RFC 5961 §5).
///
/// A flow retransmits nothing, so its place in the sequence jumps over whatever was lost; a window cannot be as
/// narrow as TCP's. And nobody must be able to lock the true other end out by having us believe another place: a
/// segment is taken when it is near where we are, or acknowledges what we sent lately, which nobody but the other
/// end can change; or when it follows another that was neither, as after an outage in which both ends went on
/// sending (the probation of RFC 3550 §A.1).
extension Flow {
  @inline(__always)
  func isPlausible(_ segment: Segment) -> Bool {
    let ahead = segment.sequence - receiveNext
    if ahead >= -Limits.reorderingBytesMax, ahead <= Limits.plausibleBytes { return true }
    return (0...Limits.plausibleBytes).contains(sendNext - segment.acknowledgement)
  }

  /// Takes note of a segment that is not plausible. Whether it follows the one before.
  @inline(never)
  mutating func followsStray(_ segment: Segment) -> Bool {
    let follows = hasStray && abs(segment.sequence - strayEnd) <= Limits.strayGapBytes
    hasStray = !follows
    strayEnd = segment.end
    return follows
  }
}
