/// One TCP segment, or a super-packet of many, as it came from TUN: the headers' meaning and where the payload is.
struct Segment: Sendable, BitwiseCopyable {
  /// Remote: the packet's source.
  var key: FlowKey
  var sequence: SequenceNumber
  var acknowledgement: SequenceNumber
  var flags: TCPFlags
  /// Bytes from the front of the IP packet to the payload.
  var payloadOffset: Int
  var payloadLength: Int
  /// Payload bytes of each segment when this is a super-packet, otherwise 0.
  var segmentSize: Int

  /// Reads a packet, headers only except where the checksum has to be verified here.
  ///
  /// `packet` starts at the IP header and may have trailing bytes. Throws the reason for dropping it.
  static func parse(_ packet: RawSpan, vnet: VirtioNetHeader) throws(DropReason) -> Segment {
    guard packet.byteCount >= IPv4Header.length else { throw .shortPacket }
    let source: Address
    let destination: Address
    let ipLength: Int
    let totalLength: Int
    switch packet.field8(0) &>> 4 {
    case 4:
      guard let ip = IPv4Header.View(packet) else { throw .shortPacket }
      guard ip.transportProtocol == IPv4Header.protocolTCP else { throw .unsupportedPacket }
      guard !ip.isFragment else { throw .fragment }
      (source, destination) = (ip.source, ip.destination)
      (ipLength, totalLength) = (ip.headerLength, ip.totalLength)
    case 6:
      guard let ip = IPv6Header.View(packet) else { throw .shortPacket }
      guard ip.nextHeader == IPv6Header.protocolTCP else { throw .unsupportedPacket }
      (source, destination) = (ip.source, ip.destination)
      // An IPv4 address in an IPv6 header would name a flow of IPv4; none is ever on a wire (RFC 4038 §4.2).
      guard !source.isIPv4, !destination.isIPv4 else { throw .foreignAddress }
      (ipLength, totalLength) = (IPv6Header.length, ip.totalLength)
    default: throw .unsupportedPacket
    }
    guard totalLength &- ipLength >= TCPHeader.length else { throw .shortPacket }
    guard let tcp = TCPHeader.View(packet.extracting(ipLength..<totalLength)) else { throw .badHeaderLength }
    if !vnet.checksumIsTrusted {
      guard isWhole(tcp.bytes, source: source, destination: destination) else { throw .badChecksum }
    }
    let payloadOffset = ipLength &+ tcp.headerLength
    let isTrain = vnet.gsoType & ~VirtioNetHeader.gsoECN != VirtioNetHeader.gsoNone
    let segmentSize = isTrain ? Int(vnet.gsoSize) : 0
    return Segment(
      key: FlowKey(
        remote: source, local: destination, remotePort: tcp.sourcePort, localPort: tcp.destinationPort),
      sequence: tcp.sequence, acknowledgement: tcp.acknowledgement, flags: tcp.flags,
      payloadOffset: payloadOffset, payloadLength: totalLength &- payloadOffset, segmentSize: segmentSize)
  }

  /// Verifies the TCP checksum over pseudo-header, header and payload (RFC 9293 §3.1).
  private static func isWhole(_ tcp: RawSpan, source: Address, destination: Address) -> Bool {
    var sum = InternetChecksum.pseudoHeader(source: source, destination: destination, length: tcp.byteCount)
    sum.add(tcp)
    return sum.isValid
  }

  /// The sequence number behind the last byte; SYN and FIN count for one each.
  var end: SequenceNumber {
    sequence + payloadLength + (flags.contains(.syn) ? 1 : 0) + (flags.contains(.fin) ? 1 : 0)
  }
}

extension InternetChecksum {
  /// The sum over addresses, protocol and the protocol's length (RFC 9293 §3.1, RFC 8200 §8.1).
  @inline(__always)
  static func pseudoHeader(
    source: Address, destination: Address, length: Int, transportProtocol: UInt8 = IPv4Header.protocolTCP
  ) -> InternetChecksum {
    var sum = InternetChecksum()
    sum.add(source)
    sum.add(destination)
    sum.add(hostOrder: UInt16(transportProtocol))
    sum.add(hostOrder: UInt16(truncatingIfNeeded: length))
    return sum
  }
}
