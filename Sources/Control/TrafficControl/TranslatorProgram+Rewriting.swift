internal import Glibc

/// What becomes of a packet: its new address, checksums that fit, and the way it is sent on.
extension TranslatorProgram {
  /// For routing, here and in the kernel.
  mutating func mark() {
    guard isMarked else { return }
    loadShared(.r1, Field.mark)
    code.store(.word, Self.packet, Context.mark, .r1)
  }

  /// The other address, one hop less where the kernel does not forward it, and checksums that fit.
  mutating func rewrite(_ address: Int, at start: Int, to field: Int, _ sum: Int, takesHop: Bool) {
    writeAddress(start + address, field)
    if takesHop {
      code.change(Self.hops, .subtract, 1)
      code.store(.byte, Self.bytes, start + hopsOffset, Self.hops)
    }
    if family == .ipv4 { mendHeaderChecksum(at: start, sum, takesHop: takesHop) }
    mendChecksum(start + headerBytes + Self.tcpChecksum, sum)
  }

  mutating func writeAddress(_ offset: Int, _ field: Int) {
    for word in stride(from: 0, to: addressBytes, by: 4) {
      loadShared(.r0, field + word)
      code.store(.word, Self.bytes, offset + word, .r0)
    }
  }

  /// RFC 1624. One hop less takes 1 from the word that it is the first byte of, read as little-endian.
  mutating func mendHeaderChecksum(at start: Int, _ sum: Int, takesHop: Bool) {
    code.load(.r0, .half, Self.bytes, start + Self.ipv4Checksum)
    code.change(.r0, .xor, 0xffff)
    loadShared(.r1, sum)
    code.change(.r0, .add, .r1)
    if takesHop { code.change(.r0, .add, 0xfffe) }
    for _ in 0..<2 {
      code.move(.r1, .r0)
      code.change(.r1, .shiftRight, 16)
      code.change(.r0, .and, 0xffff)
      code.change(.r0, .add, .r1)
    }
    code.change(.r0, .xor, 0xffff)
    code.store(.half, Self.bytes, start + Self.ipv4Checksum, .r0)
  }

  /// Over the pseudo-header (RFC 9293 §3.1), as the kernel does it: it may be for the hardware to complete.
  mutating func mendChecksum(_ offset: Int, _ sum: Int) {
    code.move(.r1, Self.packet)
    code.move(.r2, Int32(offset))
    code.move(.r3, 0)
    loadShared(.r4, sum)
    code.move(.r5, 0x10)
    code.call(.replaceTransportChecksum)
    code.jump(if: .r0, .unequal, 0, to: drop)
  }

  /// An ICMP error that tells our end of a packet that is too big for the way. The kernel forwards it.
  mutating func translateError(at start: Int, checksSource: Bool) {
    let icmp = start + headerBytes
    let quote = icmp + Self.icmpHeaderBytes
    let (kind, code4) = family == .ipv4 ? (Int32(3), Int32(4)) : (2, 0)
    code.jump(if: .r0, .unequal, Int32(family == .ipv4 ? IPPROTO_ICMP : 58), to: next)
    readPacket(from: start, headerBytes + Self.icmpHeaderBytes + headerBytes + 4)
    code.load(.r0, .byte, Self.bytes, icmp)
    code.jump(if: .r0, .unequal, kind, to: next)
    code.load(.r0, .byte, Self.bytes, icmp + 1)
    code.jump(if: .r0, .unequal, code4, to: next)
    leaveUnlessSimple(at: quote)
    go(to: next, unless: quote + sourceOffset, is: Field.outer)
    leaveUnlessPortIsOurs(quote + headerBytes)
    if checksSource { leaveUnlessServer(quote + destinationOffset, port: quote + headerBytes + 2) }
    mark()
    writeAddress(start + destinationOffset, Field.inner)
    switch family {
    case .ipv4: mendHeaderChecksum(at: start, Field.inwardSum, takesHop: false)
    case .ipv6: mendChecksum(icmp + 2, Field.inwardSum)
    }
    count(.inward)
    code.jump(to: next)
  }

  mutating func count(_ counter: TranslatorMemory.Counter) {
    code.call(.processorID)
    code.change(.r0, .and, Int32(TranslatorMemory.counterRows - 1))
    code.change(.r0, .shiftLeft, 6)
    code.change(.r0, .add, Self.shared)
    code.move(.r1, 1)
    code.addAtomically(.double, .r0, TranslatorMemory.counters + counter.rawValue * 8, .r1)
  }

  /// With room for a link-layer header, without which the kernel drops it (`__bpf_redirect_neigh`).
  mutating func redirectToNeighbour() {
    code.move(.r1, Self.packet)
    code.move(.r2, Int32(Self.linkHeaderBytes))
    code.move(.r3, 0)
    code.call(.changeHead)
    code.jump(if: .r0, .unequal, 0, to: drop)
    loadShared(.r1, Field.outletIndex)
    code.move(.r2, .stack)
    code.change(.r2, .add, Int32(Hop.base))
    code.move(.r3, Int32(Hop.byteCount))
    code.move(.r4, 0)
    code.call(.redirectToNeighbour)
    code.exit()
  }

  /// Without a tag, which the TUN device would write into the packet.
  mutating func redirectToDevice() {
    let isUntagged = code.label()
    code.load(.r0, .word, Self.packet, Context.hasVLANTag)
    code.jump(if: .r0, .equal, 0, to: isUntagged)
    code.move(.r1, Self.packet)
    code.call(.removeVLANTag)
    code.jump(if: .r0, .unequal, 0, to: drop)
    code.place(isUntagged)
    loadShared(.r1, Field.deviceIndex)
    code.move(.r2, 0)
    code.call(.redirect)
    code.exit()
  }
}
