internal import DataPlane

/// One family's translation at tc.
struct TranslatorTask: Equatable, Sendable {
  /// Our TCP end's address.
  var inner: Address
  /// The host's.
  var outer: Address
  /// A client's servers of this family, all that it takes packets from; empty at a server, which takes all.
  var remotes: [Endpoint]
  /// Where packets come in to.
  var ports: ClosedRange<UInt16>
  /// Interface indexes: where packets leave and enter the host, and the TUN device.
  var outletIndex: UInt32
  var deviceIndex: UInt32
  /// `--fwmark`, or 0.
  var mark: UInt32
  /// Where rules translate what leaves; what would leave elsewhere is dropped.
  var otherIndexes: [UInt32]

  /// Whether it leads between the same addresses, by the same devices.
  func hasWays(of other: TranslatorTask) -> Bool {
    inner == other.inner && outer == other.outer && outletIndex == other.outletIndex
      && deviceIndex == other.deviceIndex
  }
}
