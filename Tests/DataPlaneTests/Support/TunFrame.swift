@testable import DataPlane

/// What is written to a TUN queue: vnet header and packet, and what the kernel makes of it.
struct TunFrame {
  let vnet: VirtioNetHeader
  /// From the IP header on, the checksum not finished.
  let packet: [UInt8]

  enum Refusal: Error, Equatable {
    case short
    case checksumOutsidePacket
    case headerLength(UInt16, Int)
    case notTCP
  }

  init(_ bytes: [UInt8]) throws(Refusal) {
    guard let vnet = VirtioNetHeader(bytes) else { throw .short }
    self.vnet = vnet
    packet = Array(bytes[VirtioNetHeader.length...])
  }

  /// The frame that a queue would be given for `header` and `payload`.
  init(_ header: SegmentHeader, payload: [UInt8] = []) {
    var bytes = [UInt8](repeating: 0xee, count: header.length)
    bytes.withRoom { header.write(into: &$0) }
    vnet = VirtioNetHeader(bytes)!
    packet = Array(bytes[VirtioNetHeader.length...]) + payload
  }

  /// The packets that leave the host: checksums finished, and a super-packet cut into its segments.
  var packets: [[UInt8]] {
    get throws(Refusal) {
      let whole = try finished()
      guard vnet.gsoType != VirtioNetHeader.gsoNone else { return [whole] }
      guard let superPacket = Packet(whole) else { throw .notTCP }
      let headers = superPacket.ipHeaderLength + superPacket.tcpHeaderLength
      // drivers/net/tun.c believes it when it makes the packet's linear part.
      guard Int(vnet.headerLength) == headers else { throw .headerLength(vnet.headerLength, headers) }
      return superPacket.cut(into: Int(vnet.gsoSize)).map(\.bytes)
    }
  }

  /// `VIRTIO_NET_HDR_F_NEEDS_CSUM`: the sum from `csum_start` to the end, which includes what the field holds.
  private func finished() throws(Refusal) -> [UInt8] {
    guard vnet.flags & VirtioNetHeader.flagNeedsChecksum != 0 else { return packet }
    let start = Int(vnet.checksumStart)
    let field = start + Int(vnet.checksumOffset)
    guard field + 2 <= packet.count else { throw .checksumOutsidePacket }
    let checksum = naiveChecksum(Array(packet[start...]))
    var whole = packet
    (whole[field], whole[field + 1]) = (UInt8(checksum >> 8), UInt8(checksum & 0xff))
    return whole
  }
}

extension Packet {
  /// What TSO makes of a super-packet: every segment but the last `size` bytes long, IPv4's ID counting up,
  /// FIN and PSH on the last alone.
  func cut(into size: Int) -> [Packet] {
    guard size > 0, payload.count > size else { return [self] }
    return stride(from: 0, to: payload.count, by: size).map { start in
      var part = self
      let end = min(start + size, payload.count)
      part.payload = Array(payload[start..<end])
      part.sequence = sequence &+ UInt32(start)
      if isIPv4 { part.identification = identification &+ UInt16(start / size) }
      if end < payload.count { part.flags.subtract([.fin, .psh]) }
      return part
    }
  }
}
