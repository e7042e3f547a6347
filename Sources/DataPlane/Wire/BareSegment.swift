/// A segment without payload as a value, for those who send one by themselves: not on the packet's path.
package struct BareSegment: Equatable, Sendable {
  package var sourcePort: UInt16
  package var destinationPort: UInt16
  package var sequence: UInt32
  package var acknowledgement: UInt32
  package var flags: TCPFlags
  /// Set in what was read: whether it looks as guise and Phantun write it, with their window and options alone.
  package private(set) var isOfOurKind = true

  package init(
    sourcePort: UInt16, destinationPort: UInt16, sequence: UInt32, acknowledgement: UInt32, flags: TCPFlags
  ) {
    self.sourcePort = sourcePort
    self.destinationPort = destinationPort
    self.sequence = sequence
    self.acknowledgement = acknowledgement
    self.flags = flags
  }

  /// Reads what begins with a TCP header; nil where it is cut short.
  package init?(_ bytes: [UInt8]) {
    guard let view = unsafe TCPHeader.View(bytes.span.bytes) else { return nil }
    self.init(
      sourcePort: view.sourcePort, destinationPort: view.destinationPort, sequence: view.sequence.value,
      acknowledgement: view.acknowledgement.value, flags: view.flags)
    isOfOurKind = view.window == 0xffff && view.headerLength == TCPHeader.length(for: view.flags)
  }

  /// The TCP header with its checksum, as it goes from one address to another.
  package func bytes(from source: Address, to destination: Address) -> [UInt8] {
    let length = TCPHeader.length(for: flags)
    var header = [UInt8](repeating: 0, count: length)
    var room = header.mutableSpan
    var bytes = unsafe room.mutableBytes
    TCPHeader.write(
      into: &bytes, at: 0, sourcePort: sourcePort, destinationPort: destinationPort,
      sequence: SequenceNumber(sequence), acknowledgement: SequenceNumber(acknowledgement), flags: flags,
      checksum: 0)
    var sum = InternetChecksum.pseudoHeader(source: source, destination: destination, length: length)
    sum.add(bytes.bytes)
    bytes.putRaw(sum.field, at: TCPHeader.checksumOffset)
    return header
  }
}
