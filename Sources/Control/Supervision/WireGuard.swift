/// What most traffic through a gateway is, and so what its sizes are told in as well.
enum WireGuard {
  /// Bytes that a data message adds to the packet inside: header 16, authentication tag 16.
  private static let overhead = 32

  /// The largest MTU for a WireGuard interface whose messages are to fit into `datagram` bytes.
  ///
  /// Packets are padded to a multiple of 16 bytes, but never beyond the interface's MTU (in Linux,
  /// `calculate_skb_padding`), so that the padding takes nothing away.
  static func mtu(for datagram: Int) -> Int { datagram - overhead }
}
