@testable import DataPlane

/// A NAT on the path between a client and a server, over IPv4, which may forget its flows: from then on they come
/// from other ports, and what still goes to the old ones is lost.
struct SimulatedAddressTranslation {
  /// How far the ports outside lie from those inside.
  private var shift: UInt16 = 0

  private static let source = VirtioNetHeader.length + IPv4Header.length
  private static let destination = source + 2
  private static let first = PortSpace.first
  private static let count = PortSpace.last - PortSpace.first + 1

  mutating func forget() { shift = (shift &+ 997) % UInt16(Self.count) }

  /// A packet of the client's, as the server gets it. Checksums are the kernel's to finish.
  func outbound(_ packet: [UInt8]) -> [UInt8] { moved(packet, at: Self.source, by: Int(shift)) }

  /// An answer, as the client gets it.
  func inbound(_ packet: [UInt8]) -> [UInt8] {
    moved(packet, at: Self.destination, by: Self.count - Int(shift))
  }

  private func moved(_ packet: [UInt8], at place: Int, by distance: Int) -> [UInt8] {
    var packet = packet
    let port = Int(packet.big16(place)) - Self.first
    let other = UInt16((port + distance) % Self.count + Self.first)
    (packet[place], packet[place + 1]) = (UInt8(other >> 8), UInt8(other & 0xff))
    return packet
  }
}
