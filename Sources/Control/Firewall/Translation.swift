package import DataPlane

/// How the address of our TCP end becomes one of the host's own, and back, in one family.
package enum Translation: Equatable, Sendable {
  /// The kernel tracks each flow: masquerade and DNAT. A client's ports are mapped to `ports`; nil leaves
  /// them what they are.
  case tracked(ports: ClosedRange<UInt16>?)
  /// Addresses are rewritten packet by packet, past connection tracking (docs/decisions/0018-translation.md).
  case stateless(Outlet)
  /// By programs where packets enter a device, before rules see them (docs/decisions/0085-translation-at-tc.md). What
  /// comes to a server by `others`, one address each, rules translate there.
  case atTC(Outlet, others: [Outlet])
  /// Not at all: this server's host has no address of the family that others reach, yet.
  case unreachable

  var isAtTC: Bool { if case .atTC = self { true } else { false } }

  /// Where packets leave and enter the host, where that is known.
  var outlet: Outlet? {
    switch self {
    case .stateless(let outlet), .atTC(let outlet, _): outlet
    case .tracked, .unreachable: nil
    }
  }

  /// The TCP source ports of a client that is not tracked: what comes from its server to one of them is its
  /// own. Further clients of the same server on the same host are tracked, and mapped to the rest.
  package static let statelessPorts: ClosedRange<UInt16> = 1_024...57_343
  static let furtherPorts: ClosedRange<UInt16> = 57_344...65_535
}

/// Where a family's packets enter and leave the host.
package struct Outlet: Equatable, Sendable {
  /// nil for any device: a client's packets are known by the address of its server.
  package let device: String?
  /// The host's own address in these packets.
  package let address: Address

  package init(device: String?, address: Address) {
    self.device = device
    self.address = address
  }
}
