/// What can be wrong with a packet that looks as if it were of a live flow, or of none.
package enum ForgedKind: String, CaseIterable, Codable, CodingKeyRepresentable, Sendable {
  // With the addresses and ports of the live flow.

  /// A reset of a place that has passed: inside RFC 5961's window, and not exact.
  case resetBehind = "reset-behind"
  /// A reset beyond any window.
  case resetAhead = "reset-ahead"
  /// A reset with any two numbers.
  case resetWithACK = "reset-with-ack"
  /// Every flag at once.
  case everyFlag = "every-flag"
  case syn
  case synACK = "syn-ack"
  /// Data with numbers beyond any window.
  case farData = "far-data"
  /// The same without data.
  case farACK = "far-ack"
  /// The same with TCP options that make no sense.
  case badOptions = "bad-options"
  /// The same with options in the IP header.
  case addressOptions = "ip-options"
  /// Flags that mean nothing without ACK, or none.
  case noACK = "no-ack"
  /// Data with the flow's numbers, damaged.
  case badChecksum = "bad-checksum"
  /// A TCP header that says it is shorter than one can be.
  case shortOffset = "short-offset"
  /// A TCP header that says it is longer than the packet.
  case longOffset = "long-offset"
  /// A packet that ends within the TCP header.
  case cutHeader = "cut-header"
  case firstFragment = "first-fragment"
  case laterFragment = "later-fragment"
  /// An ICMP error that quotes what the flow has not sent.
  case packetTooBig = "packet-too-big"

  // Of no flow.

  case strangerACK = "stranger-ack"
  case strangerReset = "stranger-reset"
  case strangerSYN = "stranger-syn"
  case strangerNoACK = "stranger-no-ack"

  // To the gateway's address behind its TUN device, past all translation.

  case otherProtocol = "other-protocol"
  case otherPort = "other-port"

  /// Whether it goes to the address behind the TUN device.
  package var isBehind: Bool { self == .otherProtocol || self == .otherPort }
}
