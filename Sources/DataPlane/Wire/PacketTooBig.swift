/// What an ICMP error tells whoever sent a packet that a link could not take: IPv4's "fragmentation needed
/// and DF set" (RFC 1191 §4) and IPv6's "packet too big" (RFC 4443 §3.2).
struct PacketTooBig: Equatable, Sendable, BitwiseCopyable {
  /// The flow of the segment that the error quotes. Local: whoever the error was sent to, which is our end. The
  /// quoted source is the same, or what address translation on the way out had made of it.
  var key: FlowKey
  /// The quoted segment's first byte.
  var sequence: SequenceNumber
  /// What it acknowledges, where the error quotes so much of it: four bytes more than it must (RFC 792), as routers do
  /// since RFC 1812 §4.3.2.3.
  var acknowledgement: SequenceNumber?
  /// Length in bytes of the quoted packet, as its IP header states it: a super-packet's where the error
  /// comes from a kernel that had not cut it yet.
  var quotedLength: Int
  /// The largest packet in bytes that the link takes, as the error claims.
  var mtu: Int

  /// Bytes of an ICMP header, and of the TCP header behind it that every error quotes (RFC 792).
  static let headerLength = 8
  static let quotedTCPLength = 8

  /// Reads an ICMP packet, which starts at its IP header and may have trailing bytes.
  ///
  /// Throws the reason for dropping it: `.unsupportedPacket` when it is not ICMP, `.icmpIgnored` when it
  /// does not tell of a packet that was too big.
  static func parse(_ packet: RawSpan, vnet: VirtioNetHeader) throws(DropReason) -> PacketTooBig {
    guard packet.byteCount >= IPv4Header.length else { throw .shortPacket }
    switch packet.field8(0) &>> 4 {
    case 4: return try parseIPv4(packet, vnet)
    case 6: return try parseIPv6(packet, vnet)
    default: throw .unsupportedPacket
    }
  }

  private static func parseIPv4(
    _ packet: RawSpan, _ vnet: VirtioNetHeader
  ) throws(DropReason) -> PacketTooBig {
    guard let ip = IPv4Header.View(packet) else { throw .shortPacket }
    guard ip.transportProtocol == IPv4Header.protocolICMP else { throw .unsupportedPacket }
    guard !ip.isFragment else { throw .fragment }
    let icmp = packet.extracting(ip.headerLength..<ip.totalLength)
    guard icmp.byteCount >= headerLength else { throw .shortPacket }
    // ICMP for IPv4 has no pseudo-header (RFC 792).
    try check(icmp, sum: InternetChecksum(), vnet)
    guard icmp.field8(0) == 3, icmp.field8(1) == 4 else { throw .icmpIgnored }

    let quote = icmp.extracting(droppingFirst: headerLength)
    guard let quoted = IPv4Header.View(quoted: quote) else { throw .shortPacket }
    guard quote.field8(0) &>> 4 == 4, quoted.transportProtocol == IPv4Header.protocolTCP, !quoted.isFragment
    else { throw .icmpNotCredible }
    return try make(
      quote.extracting(droppingFirst: quoted.headerLength), destination: quoted.destination,
      sentTo: ip.destination, quotedLength: quoted.totalLength,
      mtu: Int(icmp.field16(6)))
  }

  private static func parseIPv6(
    _ packet: RawSpan, _ vnet: VirtioNetHeader
  ) throws(DropReason) -> PacketTooBig {
    guard let ip = IPv6Header.View(packet) else { throw .shortPacket }
    guard ip.nextHeader == IPv6Header.protocolICMPv6 else { throw .unsupportedPacket }
    let icmp = packet.extracting(IPv6Header.length..<ip.totalLength)
    guard icmp.byteCount >= headerLength else { throw .shortPacket }
    let pseudoHeader = InternetChecksum.pseudoHeader(
      source: ip.source, destination: ip.destination, length: icmp.byteCount,
      transportProtocol: IPv6Header.protocolICMPv6)
    try check(icmp, sum: pseudoHeader, vnet)
    guard icmp.field8(0) == 2 else { throw .icmpIgnored }

    let quote = icmp.extracting(droppingFirst: headerLength)
    guard let quoted = IPv6Header.View(quoted: quote) else { throw .shortPacket }
    guard quote.field8(0) &>> 4 == 6, quoted.nextHeader == IPv6Header.protocolTCP,
      !quoted.destination.isIPv4, !ip.destination.isIPv4
    else { throw .icmpNotCredible }
    return try make(
      quote.extracting(droppingFirst: IPv6Header.length), destination: quoted.destination,
      sentTo: ip.destination, quotedLength: quoted.totalLength,
      mtu: Int(icmp.field32(4)))
  }

  /// Takes the quoted TCP header apart.
  private static func make(
    _ tcp: RawSpan, destination: Address, sentTo receiver: Address, quotedLength: Int, mtu: Int
  ) throws(DropReason) -> PacketTooBig {
    guard tcp.byteCount >= quotedTCPLength else { throw .shortPacket }
    let key = FlowKey(
      remote: destination, local: receiver, remotePort: tcp.field16(2), localPort: tcp.field16(0))
    return PacketTooBig(
      key: key, sequence: SequenceNumber(tcp.field32(4)),
      acknowledgement: tcp.byteCount >= quotedTCPLength + 4 ? SequenceNumber(tcp.field32(8)) : nil,
      quotedLength: quotedLength, mtu: mtu)
  }

  private static func check(
    _ icmp: RawSpan, sum: InternetChecksum, _ vnet: VirtioNetHeader
  ) throws(DropReason) {
    guard !vnet.checksumIsTrusted else { return }
    var sum = sum
    sum.add(icmp)
    guard sum.isValid else { throw .badChecksum }
  }
}
