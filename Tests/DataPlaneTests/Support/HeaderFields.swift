@testable import DataPlane

/// Everything that the data plane's view of an IPv4 header says, as values that outlive the bytes.
struct IPv4Fields {
  let headerLength, totalLength: Int
  let transportProtocol, timeToLive, typeOfService: UInt8
  let identification: UInt16
  let isFragment, dontFragment, hasValidChecksum: Bool
  let source, destination: Address

  /// Nil where the view refuses the bytes.
  init?(_ bytes: [UInt8]) {
    guard let view = IPv4Header.View(bytes.raw) else { return nil }
    (headerLength, totalLength) = (view.headerLength, view.totalLength)
    (transportProtocol, timeToLive, typeOfService) = (
      view.transportProtocol, view.timeToLive, view.typeOfService
    )
    identification = view.identification
    (isFragment, dontFragment) = (view.isFragment, view.dontFragment)
    hasValidChecksum = view.hasValidChecksum
    (source, destination) = (view.source, view.destination)
  }
}

/// The same of an IPv6 header.
struct IPv6Fields {
  let totalLength: Int
  let nextHeader, hopLimit: UInt8
  let source, destination: Address

  init?(_ bytes: [UInt8]) {
    guard let view = IPv6Header.View(bytes.raw) else { return nil }
    totalLength = view.totalLength
    (nextHeader, hopLimit) = (view.nextHeader, view.hopLimit)
    (source, destination) = (view.source, view.destination)
  }
}

/// The same of a TCP header, options included.
struct TCPFields {
  let headerLength: Int
  let sourcePort, destinationPort: UInt16
  let sequence, acknowledgement: SequenceNumber
  let flags: TCPFlags
  let window, checksum: UInt16
  let options: [TCPOptions.Option]

  init?(_ bytes: [UInt8]) {
    guard let view = TCPHeader.View(bytes.raw) else { return nil }
    headerLength = view.headerLength
    (sourcePort, destinationPort) = (view.sourcePort, view.destinationPort)
    (sequence, acknowledgement) = (view.sequence, view.acknowledgement)
    (flags, window, checksum) = (view.flags, view.window, view.checksum)
    var walk = view.options
    var options = [TCPOptions.Option]()
    while let option = walk.next() { options.append(option) }
    self.options = options
  }
}
