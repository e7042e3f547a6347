import Foundation

@testable import DataPlane

/// What unmodified Phantun 0.8.1 put on the wire: three flows each, client side of a router.
///
/// 21 packets: twice SYN, SYN|ACK, ACK and then 100- or 1400-byte datagrams back and forth, and one flow with
/// single bytes. What the server sent has crossed two routers, so its TTL is 62.
enum Recording: String, CaseIterable, Sendable {
  case ipv4 = "phantun-0.8.1-ipv4"
  case ipv6 = "phantun-0.8.1-ipv6"

  var packets: [[UInt8]] {
    get throws {
      guard let path = Bundle.module.path(forResource: rawValue, ofType: "pcap", inDirectory: "Vectors")
      else {
        throw PcapFile.Malformation.unreadable(path: rawValue)
      }
      return try PcapFile(path: path).packets
    }
  }

  static let serverPort: UInt16 = 4567
  var client: Address { self == .ipv4 ? Address("192.168.200.2")! : Address("fcc8::2")! }
  var server: Address { self == .ipv4 ? Address("10.79.0.2")! : Address("fd79::2")! }
  /// TCP source ports of the client's flows, in order.
  var clientPorts: [UInt16] { self == .ipv4 ? [53_731, 60_626, 36_963] : [38_461, 44_735, 49_818] }
}
