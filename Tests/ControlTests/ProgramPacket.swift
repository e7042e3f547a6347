@testable import DataPlane

/// A packet for a program to look at, behind its Ethernet header: IP header, two ports, and 36 bytes.
enum ProgramPacket {
  /// `options`: bytes of IPv4 options, a multiple of four.
  static func bytes(
    from source: Endpoint, to target: Endpoint, protocol number: UInt8, options: Int = 0
  ) -> [UInt8] {
    let addresses = source.address.bytes + target.address.bytes
    let isIPv4 = source.address.isIPv4
    let header: [UInt8] =
      isIPv4
      ? [0x45 + UInt8(options / 4), 0, 0, 60, 0, 0, 0x40, 0, 64, number, 0, 0] + addresses
        + [UInt8](repeating: 1, count: options)
      : [0x60, 0, 0, 0, 0, 40, number, 64] + addresses
    let ports = [source.port, target.port].flatMap { [UInt8($0 >> 8), UInt8($0 & 0xff)] }
    let link = [UInt8](repeating: 0, count: 12) + (isIPv4 ? [0x08, 0x00] : [0x86, 0xdd])
    return link + header + ports + [UInt8](repeating: 0, count: 36)
  }
}
