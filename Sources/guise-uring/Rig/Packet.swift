internal import DataPlane

/// TCP segments that a TUN device takes and that are routed to the sink.
enum Packet {
  /// Bytes of vnet, IPv4 and TCP header.
  static let headerLength = 52
  static let payloadLength = 1_400
  /// Parts of a train: as many as fit into one super-packet.
  static let trainParts = 46

  /// Writes the headers of `parts` segments of 1400 bytes in front of `payload`.
  ///
  /// Room: 52 bytes in front of it. `network` is the device's, as `TestHost.makeTun` says.
  static func writeHeaders(
    before payload: UnsafeMutableRawPointer, parts: Int, network: Int
  ) {
    let header = SegmentHeader(
      key: FlowKey(
        remote: TestHost.sink, local: TestHost.address("10.30.\(network).2"), remotePort: 4_567,
        localPort: 40_000),
      sequence: SequenceNumber(1), acknowledgement: SequenceNumber(1), flags: .ack,
      payloadLength: parts * payloadLength, segmentSize: parts > 1 ? payloadLength : 0)
    precondition(header.length == headerLength)
    // Safety: the room is there, and nobody else looks at it meanwhile.
    var room = unsafe MutableRawSpan(_unsafeStart: payload - headerLength, byteCount: headerLength)
    header.write(into: &room)
  }
}
