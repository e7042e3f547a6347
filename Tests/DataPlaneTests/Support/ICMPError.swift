@testable import DataPlane

/// An ICMP error that quotes a packet, written without the data plane's own code.
struct ICMPError {
  var source: Address
  /// Whoever sent the quoted packet, unless a test says otherwise.
  var destination: Address
  var type: UInt8
  var code: UInt8
  var mtu: Int
  /// From its IP header on, cut where a router would.
  var quote: [UInt8]
  /// IPv4 only: flags and fragment offset.
  var fragmentField: UInt16 = 0
  /// IPv4 only.
  var ipOptions: [UInt8] = []

  /// What a router on the way answers to `packet`: it quotes `quotedLength` bytes at most.
  static func tooBig(_ packet: [UInt8], mtu: Int, quotedLength: Int = 548) -> ICMPError {
    let isIPv4 = packet[0] >> 4 == 4
    return ICMPError(
      source: Address(isIPv4 ? "203.0.113.1" : "2001:db8:ff::1")!,
      destination: Address(bytes: isIPv4 ? packet[12..<16] : packet[8..<24]), type: isIPv4 ? 3 : 2,
      code: isIPv4 ? 4 : 0, mtu: mtu, quote: Array(packet.prefix(quotedLength)))
  }

  /// The packet, all checksums right.
  var bytes: [UInt8] {
    let whole = icmp(checksum: 0)
    let checksum = naiveChecksum(pseudoHeader(length: whole.count) + whole)
    return ipHeader(payloadLength: whole.count) + icmp(checksum: checksum)
  }

  /// As it is read from TUN.
  var frame: [UInt8] { [UInt8](repeating: 0, count: VirtioNetHeader.length) + bytes }

  private var isIPv4: Bool { source.isIPv4 }

  private func icmp(checksum: UInt16) -> [UInt8] {
    var out: [UInt8] = [type, code]
    out.append(big: checksum)
    out.append(big: UInt32(truncatingIfNeeded: mtu))
    return out + quote
  }

  private func pseudoHeader(length: Int) -> [UInt8] {
    guard !isIPv4 else { return [] }
    var out = source.bytes + destination.bytes
    out.append(big: UInt32(length))
    return out + [0, 0, 0, 58]
  }

  private func ipHeader(payloadLength: Int) -> [UInt8] {
    guard isIPv4 else {
      var out: [UInt8] = [0x60, 0, 0, 0]
      out.append(big: UInt16(payloadLength))
      return out + [58, 64] + source.bytes + destination.bytes
    }
    let headerLength = 20 + ipOptions.count
    var out: [UInt8] = [0x40 | UInt8(headerLength / 4), 0xc0]
    out.append(big: UInt16(headerLength + payloadLength))
    out += [0, 0]
    out.append(big: fragmentField)
    out += [64, 1, 0, 0]
    return out + source.bytes + destination.bytes + ipOptions
  }
}

extension PacketTooBig {
  /// Reads a packet, or tells why it is dropped.
  static func read(_ packet: [UInt8], _ vnet: VirtioNetHeader = .plain) -> Result<PacketTooBig, DropReason> {
    do throws(DropReason) { return .success(try parse(packet.raw, vnet: vnet)) } catch {
      return .failure(error)
    }
  }
}
