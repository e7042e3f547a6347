import Foundation
import Testing

@testable import DataPlane

/// Super-packets as a kernel's TUN device handed them up (`Vectors/record-trains.py`): carried whole, and cut
/// and glued together again by GRO, each over IPv4 and IPv6. Ten parts of 1400 bytes, the last of 333.
@Suite struct RecordedTrainTests {
  private static func frames() throws -> [[UInt8]] {
    let path = try #require(
      Bundle.module.path(forResource: "tun-trains", ofType: "bin", inDirectory: "Vectors"))
    var rest = [UInt8](try #require(FileManager.default.contents(atPath: path)))[...]
    var frames: [[UInt8]] = []
    while rest.count >= 4 {
      let length = rest.prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
      frames.append(Array(rest.dropFirst(4).prefix(length)))
      rest = rest.dropFirst(4 + length)
    }
    return frames
  }

  private static let payload: [UInt8] = (0..<10).flatMap { (part: UInt8) -> [UInt8] in
    [UInt8](repeating: part, count: part == 9 ? 333 : 1_400)
  }

  @Test func `every part is where the segment size says`() throws {
    let frames = try Self.frames()
    #expect(frames.count == 4)
    for frame in frames {
      let vnet = try #require(VirtioNetHeader(frame))
      #expect(vnet.checksumIsTrusted)
      let packet = Array(frame.dropFirst(VirtioNetHeader.length))
      let segment = try Segment.parse(packet.raw, vnet: vnet)
      #expect(segment.segmentSize == 1_400)
      #expect(segment.partCount == 10)
      #expect(segment.key.remotePort == 40_000 && segment.key.localPort == 4_567)
      #expect(segment.sequence == SequenceNumber(1_000) && segment.acknowledgement == SequenceNumber(2_000))
      #expect(segment.flags == .ack)
      #expect(Array(packet[segment.payloadOffset...].prefix(segment.payloadLength)) == Self.payload)
    }
  }

  @Test func `cut short anywhere, a super-packet is refused and not read beyond its end`() throws {
    for frame in try Self.frames() {
      for length in stride(from: 0, to: frame.count, by: 7) {
        let cut = Array(frame.prefix(length))
        guard let vnet = VirtioNetHeader(cut) else { continue }
        let packet = Array(cut.dropFirst(VirtioNetHeader.length))
        #expect(throws: DropReason.self) { try Segment.parse(packet.raw, vnet: vnet) }
      }
    }
  }
}
