import LoadModel
import Testing

/// Forged packets are what their kinds say, and the same for the same seed.
@Suite("Forgery")
struct ForgeryTests {
  private static let client = IPv4Endpoint(address: 0x0a42_0101, port: 40_000)
  private static let server = IPv4Endpoint(address: 0x0a42_0202, port: 4_567)
  private static let behind: UInt32 = 0xc0a8_c902

  private func forgery(_ target: Forgery.Target = .server, seed: UInt64 = 1) -> Forgery {
    let ends = target == .server ? (Self.client, Self.server) : (Self.server, Self.client)
    return Forgery(
      like: Forgery.Flow(source: ends.0, destination: ends.1, sequence: 5_000, acknowledgement: 7_000),
      for: target, behind: Self.behind, seed: seed)
  }

  private func word(_ packet: [UInt8], _ at: Int) -> UInt16 {
    UInt16(packet[at]) << 8 | (at + 1 < packet.count ? UInt16(packet[at + 1]) : 0)
  }

  private func long(_ packet: [UInt8], _ at: Int) -> UInt32 {
    UInt32(word(packet, at)) << 16 | UInt32(word(packet, at + 2))
  }

  /// Whether the transport's checksum is right (RFC 1071).
  private func isWhole(_ packet: [UInt8]) -> Bool {
    let start = Int(packet[0] & 15) * 4
    var sum = stride(from: start, to: packet.count, by: 2).reduce(UInt32(0)) {
      $0 + UInt32(word(packet, $1))
    }
    if packet[9] == 6 {
      sum += stride(from: 12, to: 20, by: 2).reduce(6) { $0 + UInt32(word(packet, $1)) }
      sum += UInt32(packet.count - start)
    }
    while sum > 0xffff { sum = (sum & 0xffff) + (sum >> 16) }
    return sum == 0xffff
  }

  @Test("The same seed makes the same packets, and another does not")
  func seeds() {
    func packets(_ seed: UInt64) -> [[UInt8]] {
      var forgery = forgery(seed: seed)
      return (0..<200).map { _ in
        _ = forgery.next()
        return forgery.packet
      }
    }
    #expect(packets(3) == packets(3))
    #expect(packets(3) != packets(4))
  }

  @Test(
    "Lengths are true, and checksums but for those that are to be wrong", arguments: Forgery.Target.allCases)
  func shapes(_ target: Forgery.Target) {
    var forgery = forgery(target)
    var seen: Set<ForgedKind> = []
    for _ in 0..<5_000 {
      let kind = forgery.next()
      let packet = forgery.packet
      seen.insert(kind)
      #expect(Int(word(packet, 2)) == packet.count)
      #expect(long(packet, 16) == forgery.destination(of: kind))
      if packet[9] != 253 { #expect(isWhole(packet) == (kind != .badChecksum), "\(kind)") }
    }
    #expect(seen == Set(ForgedKind.allCases))
  }

  @Test("What claims to be of the live flow has its ends; strangers do not")
  func ends() {
    for target in Forgery.Target.allCases {
      var forgery = forgery(target)
      let live = target == .server ? (Self.client, Self.server) : (Self.server, Self.client)
      for _ in 0..<5_000 {
        let kind = forgery.next()
        let packet = forgery.packet
        guard packet[9] == 6, !kind.isBehind else { continue }
        let start = Int(packet[0] & 15) * 4
        let source = IPv4Endpoint(address: long(packet, 12), port: word(packet, start))
        let destination = IPv4Endpoint(address: long(packet, 16), port: word(packet, start + 2))
        let isStranger = kind.rawValue.hasPrefix("stranger")
        #expect((source == live.0 && destination == live.1) == !isStranger, "\(kind)")
      }
    }
  }

  @Test("No two segments that fit nowhere confirm each other")
  func strays() {
    var forgery = forgery()
    var last: UInt32?
    for _ in 0..<20_000 {
      guard [.farData, .farACK, .badOptions, .addressOptions].contains(forgery.next()) else { continue }
      let packet = forgery.packet
      let sequence = long(packet, Int(packet[0] & 15) * 4 + 4)
      let ahead = Int32(bitPattern: sequence &- 5_000)
      #expect(ahead > 256 << 20 || ahead < -(16 << 20))
      if let last { #expect(abs(Int(Int32(bitPattern: sequence &- last))) > 2 << 20) }
      last = sequence
    }
  }
}
