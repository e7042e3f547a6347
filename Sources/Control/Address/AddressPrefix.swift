internal import DataPlane

/// An address and how many of its leading bits count, as in `192.168.200.0/24`.
struct AddressPrefix: Equatable, Sendable, CustomStringConvertible {
  let address: Address
  let length: Int

  init(_ address: Address, length: Int) {
    self.address = address
    self.length = length
  }

  /// Parses `ADDRESS/LENGTH` or a bare address, as iproute2 prints them; nil for anything else.
  init?(_ text: String) {
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    guard let address = Address(String(parts[0])) else { return nil }
    let full = address.isIPv4 ? 32 : 128
    if parts.count == 1 {
      self.init(address, length: full)
    } else {
      guard let length = Int(parts[1]), (0...full).contains(length) else { return nil }
      self.init(address, length: length)
    }
  }

  /// Whether `other` lies in this prefix. Never across families.
  func contains(_ other: Address) -> Bool {
    guard other.isIPv4 == address.isIPv4 else { return false }
    let (mine, theirs) = (address.bytes, other.bytes)
    let whole = length / 8
    guard mine[..<whole] == theirs[..<whole] else { return false }
    guard length % 8 != 0 else { return true }
    let mask = UInt8(truncatingIfNeeded: 0xff00 >> (length % 8))
    return (mine[whole] ^ theirs[whole]) & mask == 0
  }

  var description: String { "\(address)/\(length)" }
}
