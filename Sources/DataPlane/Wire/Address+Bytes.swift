/// What set-up asks of an address; the packet's path uses the words themselves.
extension Address {
  /// The four or sixteen bytes in network order. Allocates.
  package var bytes: [UInt8] {
    let six = unsafe withUnsafeBytes(of: self) { unsafe Array($0) }
    return isIPv4 ? Array(six[12...]) : six
  }
}
