/// What the path takes, as ICMP errors tell (RFC 1191, RFC 8201).
extension Flow {
  /// Lowers the limit to what an error claims.
  ///
  /// Throws `.icmpNotCredible` when the error may come from somebody who does not see the flow, or claims
  /// what no path is like; `.icmpIgnored` when it says nothing new. A limit is never raised here.
  mutating func lowerLimit(_ error: PacketTooBig, now: UInt64) throws(DropReason) {
    guard isCredible(error) else { throw .icmpNotCredible }
    let bytes = SegmentHeader.payloadMax(mtu: error.mtu, isIPv4: key.isIPv4)
    guard bytes < Int(segmentBytesMax) else { throw .icmpIgnored }
    segmentBytesMax = UInt16(bytes)
    limitEndsAt = now &+ Limits.pathMTUNanoseconds
    hasReportedSize = false
  }

  /// Whether an error quotes what was sent not long ago, and claims what a path may be like.
  ///
  /// A blind guess hits the sequence numbers in question with a probability of 1 in 256 (RFC 5927 §4.1), of which both
  /// ends' are asked for: a client counts from 0, as stock does, so that its own are known until it has sent much. An
  /// error that quotes no acknowledgement must be of the last few segments then. And what a link was too small for is
  /// larger than the link takes (§7.2).
  private func isCredible(_ error: PacketTooBig) -> Bool {
    guard state == .established || state == .unconfirmed else { return false }
    let age = sendNext - error.sequence
    if let acknowledgement = error.acknowledgement {
      guard (0...Limits.quotedWindowBytes).contains(receiveNext - acknowledgement) else { return false }
    }
    let isGuessable = error.acknowledgement == nil && sendNext.value < UInt32(Limits.quotedWindowBytes)
    let window = isGuessable ? Limits.guessableQuoteBytes : Limits.quotedWindowBytes
    guard age > 0, age <= window else { return false }
    let floor = key.isIPv4 ? Limits.pathMTUMinIPv4 : Limits.pathMTUMinIPv6
    return error.mtu >= floor && error.mtu < error.quotedLength
  }

  /// Goes back to `original` bytes once a lowered limit has been in force long enough: the path may have
  /// changed (RFC 1191 §6.3). Whether the limit is another now.
  ///
  /// To be called when a datagram does not fit; nobody else misses the larger size.
  mutating func renewLimit(_ original: Int, now: UInt64) -> Bool {
    guard limitEndsAt != 0, now >= limitEndsAt else { return false }
    segmentBytesMax = UInt16(original)
    limitEndsAt = 0
    hasReportedSize = false
    return true
  }
}
