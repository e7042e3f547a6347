@testable internal import DataPlane

/// Every parser of what the network sends: a vnet header, and behind it what should be a packet.
///
/// The views read libFuzzer's own copy of the bytes, which ends where they do: the address sanitizer sees a
/// read beyond them.
enum PacketTarget {
  static func run(_ bytes: UnsafeRawBufferPointer) {
    // Safety: the bytes outlive the call.
    let all = unsafe RawSpan(_unsafeBytes: bytes)
    guard let vnet = VirtioNetHeader(all) else {
      return check(all.byteCount < VirtioNetHeader.length, "a vnet header of 12 bytes is refused")
    }
    let packet = all.extracting(droppingFirst: VirtioNetHeader.length)
    readHeaders(packet)
    readSegment(packet, vnet)
    readError(packet, vnet)
    if packet.byteCount <= 2_048 {
      compare(unsafe Array(bytes.dropFirst(VirtioNetHeader.length)), packet)
    }
  }

  private static func readHeaders(_ bytes: RawSpan) {
    if let ip = IPv4Header.View(bytes) {
      check((20...60).contains(ip.headerLength), "an IPv4 header of \(ip.headerLength) bytes")
      check((ip.headerLength...bytes.byteCount).contains(ip.totalLength), "IPv4 length \(ip.totalLength)")
      _ = ip.hasValidChecksum
    }
    _ = IPv4Header.View(quoted: bytes)?.totalLength
    if let ip = IPv6Header.View(bytes) {
      check((40...bytes.byteCount).contains(ip.totalLength), "IPv6 length \(ip.totalLength)")
    }
    _ = IPv6Header.View(quoted: bytes)?.destination
    if let tcp = TCPHeader.View(bytes) {
      check((20...60).contains(tcp.headerLength), "a TCP header of \(tcp.headerLength) bytes")
      var options = tcp.options
      var count = 0
      while options.next() != nil { count += 1 }
      check(count <= 20, "\(count) options in 40 bytes")
    }
  }

  private static func readSegment(_ packet: RawSpan, _ vnet: VirtioNetHeader) {
    guard let segment = try? Segment.parse(packet, vnet: vnet) else { return }
    check(segment.payloadOffset >= 40 && segment.payloadLength >= 0, "a payload at \(segment.payloadOffset)")
    check(segment.payloadOffset + segment.payloadLength <= packet.byteCount, "a payload beyond the packet")
    check(segment.partCount >= 1, "a segment of \(segment.partCount) parts")
    check(segment.partCount <= max(1, segment.payloadLength), "more parts than bytes")
    check(segment.key.local.isIPv4 == segment.key.remote.isIPv4, "addresses of two families")
    writeBack(segment)
  }

  /// What is written for a segment reads as that segment, seen from its other end.
  private static func writeBack(_ segment: Segment) {
    let header = SegmentHeader(
      key: segment.key, sequence: segment.sequence, acknowledgement: segment.acknowledgement,
      flags: segment.flags)
    var written = [UInt8](repeating: 0, count: header.length)
    written.withRoom { header.write(into: &$0) }
    let bytes = written.raw
    guard let vnet = VirtioNetHeader(bytes),
      let read = try? Segment.parse(bytes.extracting(droppingFirst: VirtioNetHeader.length), vnet: vnet)
    else { return check(false, "what is written cannot be read") }
    check(
      read.key.remoteEndpoint == segment.key.localEndpoint
        && read.key.localEndpoint == segment.key.remoteEndpoint, "addresses change on the way")
    check(read.sequence == segment.sequence && read.acknowledgement == segment.acknowledgement, "numbers")
    check(read.flags == segment.flags && read.payloadLength == 0, "flags")
  }

  private static func readError(_ packet: RawSpan, _ vnet: VirtioNetHeader) {
    do throws(DropReason) {
      let error = try PacketTooBig.parse(packet, vnet: vnet)
      check(error.key.local.isIPv4 == error.key.remote.isIPv4, "addresses of two families")
      check((0...65_575).contains(error.quotedLength), "a quoted packet of \(error.quotedLength) bytes")
      check((0...Int(UInt32.max)).contains(error.mtu), "an MTU of \(error.mtu)")
    } catch {
      check(
        [.shortPacket, .unsupportedPacket, .fragment, .badChecksum, .icmpIgnored, .icmpNotCredible]
          .contains(error), "an ICMP error is dropped as \(error.name)")
    }
  }

  /// What the naive reader takes for a whole segment is one, with the same values.
  private static func compare(_ bytes: [UInt8], _ packet: RawSpan) {
    guard let naive = Packet(bytes), naive.fragmentField & 0x3fff == 0 else { return }
    guard let segment = try? Segment.parse(packet, vnet: VirtioNetHeader()) else {
      return check(false, "a whole segment is refused")
    }
    check(
      segment.key.remoteEndpoint == naive.source && segment.key.localEndpoint == naive.destination,
      "addresses are read wrong")
    check(
      segment.sequence.value == naive.sequence && segment.acknowledgement.value == naive.acknowledgement
        && segment.flags == naive.flags, "fields are read wrong")
    check(bytes.suffix(segment.payloadLength).elementsEqual(naive.payload), "the payload is read wrong")
  }
}
