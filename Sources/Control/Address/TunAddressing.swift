package import DataPlane

/// The two ends of a TUN device in one family: the kernel has `local`, our TCP end has `peer`.
package struct TunAddressPair: Hashable, Sendable {
  package var local: Address
  package var peer: Address

  package init(local: Address, peer: Address) {
    self.local = local
    self.peer = peer
  }
}

/// What the operator asked for in one family; an end left out gets its default.
package struct TunAddressRequest: Hashable, Sendable {
  package var local: Address?
  package var peer: Address?

  package init(local: Address? = nil, peer: Address? = nil) {
    self.local = local
    self.peer = peer
  }

  var isExplicit: Bool { local != nil || peer != nil }

  /// Whether this pair is one that was asked for, if any was.
  func isMet(by pair: TunAddressPair) -> Bool {
    (local ?? pair.local) == pair.local && (peer ?? pair.peer) == pair.peer
  }
}

/// An address range that the host uses already, and for what.
struct TakenPrefix: Equatable, Sendable {
  let prefix: AddressPrefix
  /// "eth0 has 192.168.200.5/24", as the error's text shows it.
  let reason: String
}

/// Chooses the addresses of the TUN device.
enum TunAddressing {
  /// What stock Phantun uses, for configurations that were written for it.
  static func defaultPair(_ role: Role, _ family: AddressFamily) -> TunAddressPair {
    switch (role, family) {
    case (.client, .ipv4): pairIPv4(thirdByte: 200)
    case (.server, .ipv4): pairIPv4(thirdByte: 201)
    case (.client, .ipv6): pairIPv6(low: 0xc8)
    case (.server, .ipv6): pairIPv6(low: 0xc9)
    }
  }

  /// The pair asked for, which must be free, or else the first free one of those that a predecessor had, the
  /// default pair, and those after it.
  static func choose(
    _ role: Role, _ family: AddressFamily, request: TunAddressRequest, predecessor: TunAddressPair? = nil,
    taken: [TakenPrefix]
  ) throws(SetupError) -> TunAddressPair {
    let standard = defaultPair(role, family)
    if request.isExplicit {
      let pair = TunAddressPair(local: request.local ?? standard.local, peer: request.peer ?? standard.peer)
      guard pair.local != pair.peer else { throw .tunAddressesEqual(pair.local) }
      if let conflict = conflict(of: pair, taken) {
        throw .tunAddressTaken(conflict.address, reason: conflict.reason)
      }
      return pair
    }
    for pair in [predecessor ?? standard, standard] + spares(family) where conflict(of: pair, taken) == nil {
      return pair
    }
    throw .noFreeTunAddress(family)
  }

  private static func conflict(
    of pair: TunAddressPair, _ taken: [TakenPrefix]
  ) -> (address: Address, reason: String)? {
    for address in [pair.local, pair.peer] {
      if let hit = taken.first(where: { $0.prefix.contains(address) }) { return (address, hit.reason) }
    }
    return nil
  }

  /// Where 192.168.0.0/16 is routed as a whole, 198.18.0.0/15 (RFC 2544) seldom is.
  private static func spares(_ family: AddressFamily) -> [TunAddressPair] {
    switch family {
    case .ipv4:
      (202...254).map { pairIPv4(thirdByte: $0) }
        + (200...254).map { pairIPv4(first: 198, second: 18, thirdByte: $0) }
    case .ipv6: (0xca...0xff).map(pairIPv6)
    }
  }

  private static func pairIPv4(first: Int = 192, second: Int = 168, thirdByte: Int) -> TunAddressPair {
    let network = "\(first).\(second).\(thirdByte)"
    return TunAddressPair(local: Address("\(network).1")!, peer: Address("\(network).2")!)
  }

  private static func pairIPv6(low: Int) -> TunAddressPair {
    let network = "fc" + String(low, radix: 16)
    return TunAddressPair(local: Address("\(network)::1")!, peer: Address("\(network)::2")!)
  }
}
