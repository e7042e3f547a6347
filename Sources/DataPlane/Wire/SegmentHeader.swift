/// The headers of a segment, or of a train of segments, about to be written in front of its payload.
package struct SegmentHeader: Equatable, Sendable, BitwiseCopyable {
  /// Local: the packet's source.
  var key: FlowKey
  var sequence: SequenceNumber
  var acknowledgement: SequenceNumber
  var flags: TCPFlags
  var payloadLength: Int = 0
  /// Payload bytes of each segment of a train; 0 for a single segment.
  var segmentSize: Int = 0

  package init(
    key: FlowKey, sequence: SequenceNumber, acknowledgement: SequenceNumber, flags: TCPFlags,
    payloadLength: Int = 0, segmentSize: Int = 0
  ) {
    self.key = key
    self.sequence = sequence
    self.acknowledgement = acknowledgement
    self.flags = flags
    self.payloadLength = payloadLength
    self.segmentSize = segmentSize
  }

  /// The most that `write` takes: vnet header, IPv6 header and a SYN's TCP header, in bytes.
  static let lengthMax = VirtioNetHeader.length + IPv6Header.length + TCPHeader.synLength

  /// Largest payload of one segment: what an MTU leaves behind two bare headers, in bytes.
  @inline(__always)
  static func payloadMax(mtu: Int, isIPv4: Bool) -> Int {
    mtu &- (isIPv4 ? IPv4Header.length : IPv6Header.length) &- TCPHeader.length
  }

  /// Bytes of vnet, IP and TCP header together.
  @inline(__always)
  package var length: Int {
    VirtioNetHeader.length &+ (key.isIPv4 ? IPv4Header.length : IPv6Header.length)
      &+ TCPHeader.length(for: flags)
  }

  /// Writes all three headers at the front of `room`, which holds at least `length` bytes.
  ///
  /// The TCP checksum field gets the pseudo-header's sum; kernel or NIC finish it.
  @inline(__always)
  package func write(into room: inout MutableRawSpan) {
    let isIPv4 = key.isIPv4
    let ipLength = isIPv4 ? IPv4Header.length : IPv6Header.length
    let tcpLength = TCPHeader.length(for: flags)
    precondition(room.byteCount >= VirtioNetHeader.length &+ ipLength &+ tcpLength)
    let vnet = VirtioNetHeader(
      isIPv4: isIPv4, ipLength: ipLength, tcpLength: tcpLength, segmentSize: segmentSize)
    room.putRaw(vnet, at: 0)
    if isIPv4 {
      IPv4Header.write(
        into: &room, at: VirtioNetHeader.length, source: key.local, destination: key.remote,
        totalLength: ipLength &+ tcpLength &+ payloadLength)
    } else {
      IPv6Header.write(
        into: &room, at: VirtioNetHeader.length, source: key.local, destination: key.remote,
        payloadLength: tcpLength &+ payloadLength)
    }
    let pseudo = InternetChecksum.pseudoHeader(
      source: key.local, destination: key.remote, length: tcpLength &+ payloadLength)
    TCPHeader.write(
      into: &room, at: VirtioNetHeader.length &+ ipLength, sourcePort: key.localPort,
      destinationPort: key.remotePort, sequence: sequence, acknowledgement: acknowledgement, flags: flags,
      checksum: pseudo.folded)
  }
}
