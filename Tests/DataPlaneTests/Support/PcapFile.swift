import Glibc

/// A classic capture file of raw IP packets (pcap-savefile(5), LINKTYPE_RAW), read whole.
struct PcapFile {
  enum Malformation: Error, Equatable {
    case unreadable(path: String)
    case notPcap
    case notRawIP(linkType: UInt32)
    case truncated(atByte: Int)
  }

  /// From each packet's IP header on, in the order of the capture.
  let packets: [[UInt8]]

  init(path: String) throws { try self.init(Self.contents(of: path)) }

  init(_ bytes: [UInt8]) throws(Malformation) {
    guard bytes.count >= 24 else { throw .notPcap }
    // The magic number tells the byte order; the other two of the four are the nanosecond variants.
    let isLittleEndian: Bool
    switch bytes.big32(0) {
    case 0xd4c3_b2a1, 0x4d3c_b2a1: isLittleEndian = true
    case 0xa1b2_c3d4, 0xa1b2_3c4d: isLittleEndian = false
    default: throw .notPcap
    }
    func word(_ offset: Int) -> UInt32 {
      isLittleEndian ? bytes.big32(offset).byteSwapped : bytes.big32(offset)
    }
    guard word(20) == 101 else { throw .notRawIP(linkType: word(20)) }
    var packets = [[UInt8]]()
    var offset = 24
    while offset < bytes.count {
      guard offset + 16 <= bytes.count else { throw .truncated(atByte: offset) }
      let length = Int(word(offset + 8))
      let start = offset + 16
      guard start + length <= bytes.count else { throw .truncated(atByte: start) }
      packets.append(Array(bytes[start..<start + length]))
      offset = start + length
    }
    self.packets = packets
  }

  private static func contents(of path: String) throws(Malformation) -> [UInt8] {
    guard let file = unsafe fopen(path, "rb") else { throw .unreadable(path: path) }
    defer { unsafe fclose(file) }
    var contents = [UInt8]()
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while case let count = unsafe fread(&chunk, 1, chunk.count, file), count > 0 {
      contents += chunk[..<count]
    }
    return contents
  }
}
