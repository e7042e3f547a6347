@testable import DataPlane

/// A TCP packet as plain values, written and read without the data plane's own views and writers.
///
/// Naive on purpose: arrays, one byte after another, so that a mistake over there cannot cancel itself out here.
struct Packet: Equatable, Sendable {
  var source: Endpoint
  var destination: Endpoint
  var sequence: UInt32 = 0
  var acknowledgement: UInt32 = 0
  var flags: TCPFlags = .ack
  var window: UInt16 = 0xffff
  /// A multiple of four bytes.
  var options: [UInt8] = []
  var payload: [UInt8] = []

  var timeToLive: UInt8 = 64
  /// IPv4 only, as the next three.
  var identification: UInt16 = 0
  var typeOfService: UInt8 = 0
  /// Flags and fragment offset as they lie in the header; don't-fragment alone by default.
  var fragmentField: UInt16 = 0x4000
  /// A multiple of four bytes.
  var ipOptions: [UInt8] = []
  /// What the IP header says follows it.
  var transportProtocol: UInt8 = 6

  /// NOP and window scale 14, which every SYN of stock carries.
  static let synOptions: [UInt8] = [1, 3, 3, 14]

  init(from source: Endpoint, to destination: Endpoint) {
    self.source = source
    self.destination = destination
  }

  init(
    from source: Endpoint, to destination: Endpoint, _ flags: TCPFlags, sequence: UInt32 = 0,
    acknowledgement: UInt32 = 0, payload: [UInt8] = []
  ) {
    self.init(from: source, to: destination)
    self.flags = flags
    self.sequence = sequence
    self.acknowledgement = acknowledgement
    self.payload = payload
    if flags.contains(.syn) { options = Self.synOptions }
  }

  var isIPv4: Bool { source.address.isIPv4 }
  var ipHeaderLength: Int { isIPv4 ? 20 + ipOptions.count : 40 }
  var tcpHeaderLength: Int { 20 + options.count }
}

// MARK: - Writing

extension Packet {
  /// The packet from its IP header on, all checksums right.
  var bytes: [UInt8] {
    var tcp = tcpBytes(checksum: 0)
    let checksum = naiveChecksum(pseudoHeader(tcpLength: tcp.count) + tcp)
    tcp = tcpBytes(checksum: checksum)
    return ipHeader(payloadLength: tcp.count) + tcp
  }

  private func tcpBytes(checksum: UInt16) -> [UInt8] {
    var out = [UInt8]()
    out.append(big: source.port)
    out.append(big: destination.port)
    out.append(big: sequence)
    out.append(big: acknowledgement)
    out += [UInt8(tcpHeaderLength / 4) << 4, flags.rawValue]
    out.append(big: window)
    out.append(big: checksum)
    out += [0, 0]
    return out + options + payload
  }

  private func ipHeader(payloadLength: Int) -> [UInt8] {
    guard isIPv4 else {
      var out: [UInt8] = [0x60, 0, 0, 0]
      out.append(big: UInt16(payloadLength))
      out += [transportProtocol, timeToLive]
      return out + source.address.bytes + destination.address.bytes
    }
    func header(_ checksum: UInt16) -> [UInt8] {
      var out: [UInt8] = [0x40 | UInt8(ipHeaderLength / 4), typeOfService]
      out.append(big: UInt16(ipHeaderLength + payloadLength))
      out.append(big: identification)
      out.append(big: fragmentField)
      out += [timeToLive, transportProtocol]
      out.append(big: checksum)
      return out + source.address.bytes + destination.address.bytes + ipOptions
    }
    return header(naiveChecksum(header(0)))
  }

  /// What RFC 9293 §3.1 and RFC 8200 §8.1 put in front of the segment for its checksum.
  func pseudoHeader(tcpLength: Int) -> [UInt8] {
    var out = source.address.bytes + destination.address.bytes
    out += isIPv4 ? [0, 6] : [0, 0]
    out.append(big: UInt16(tcpLength))
    return isIPv4 ? out : out + [0, 0, 0, 6]
  }
}

// MARK: - Reading

extension Packet {
  /// Reads a whole TCP packet; nil for anything else, for wrong lengths, and for wrong checksums.
  init?(_ bytes: [UInt8]) {
    guard bytes.count >= 20 else { return nil }
    let addresses: (ArraySlice<UInt8>, ArraySlice<UInt8>)
    let tcpStart: Int
    if bytes[0] >> 4 == 4 {
      tcpStart = Int(bytes[0] & 0x0f) * 4
      guard tcpStart >= 20, bytes.big16(2) == bytes.count, bytes.count >= tcpStart + 20, bytes[9] == 6 else {
        return nil
      }
      guard naiveSum(Array(bytes[..<tcpStart])) == 0xffff else { return nil }
      addresses = (bytes[12..<16], bytes[16..<20])
    } else {
      tcpStart = 40
      guard bytes[0] >> 4 == 6, bytes.count >= 60, 40 + Int(bytes.big16(4)) == bytes.count, bytes[6] == 6
      else { return nil }
      addresses = (bytes[8..<24], bytes[24..<40])
    }
    let payloadStart = tcpStart + Int(bytes[tcpStart + 12] >> 4) * 4
    guard payloadStart >= tcpStart + 20, payloadStart <= bytes.count else { return nil }
    self.init(
      from: Endpoint(Address(bytes: addresses.0), port: bytes.big16(tcpStart)),
      to: Endpoint(Address(bytes: addresses.1), port: bytes.big16(tcpStart + 2)))
    sequence = bytes.big32(tcpStart + 4)
    acknowledgement = bytes.big32(tcpStart + 8)
    flags = TCPFlags(rawValue: bytes[tcpStart + 13])
    window = bytes.big16(tcpStart + 14)
    options = Array(bytes[(tcpStart + 20)..<payloadStart])
    payload = Array(bytes[payloadStart...])
    if isIPv4 {
      (typeOfService, identification) = (bytes[1], bytes.big16(4))
      (fragmentField, timeToLive) = (bytes.big16(6), bytes[8])
      ipOptions = Array(bytes[20..<tcpStart])
    } else {
      timeToLive = bytes[7]
    }
    let tcp = Array(bytes[tcpStart...])
    guard naiveSum(pseudoHeader(tcpLength: tcp.count) + tcp) == 0xffff else { return nil }
  }
}

extension Address {
  /// 4 or 16 bytes in network order.
  init(bytes: ArraySlice<UInt8>) {
    let all = (bytes.count == 4 ? [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff] : []) + bytes
    func word(_ part: ArraySlice<UInt8>) -> UInt64 { part.reversed().reduce(0) { $0 << 8 | UInt64($1) } }
    self.init(high: word(all[..<8]), low: word(all[8...]))
  }
}

extension [UInt8] {
  mutating func append(big value: UInt16) { self += [UInt8(value >> 8), UInt8(value & 0xff)] }
  mutating func append(big value: UInt32) {
    append(big: UInt16(value >> 16))
    append(big: UInt16(truncatingIfNeeded: value))
  }
  func big16(_ offset: Int) -> UInt16 { UInt16(self[offset]) << 8 | UInt16(self[offset + 1]) }
  func big32(_ offset: Int) -> UInt32 { UInt32(big16(offset)) << 16 | UInt32(big16(offset + 2)) }
}
