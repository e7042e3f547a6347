@testable import DataPlane

extension [UInt8] {
  /// The array's bytes as the data plane's views borrow them.
  var raw: RawSpan {
    // Safety: every bit pattern of a byte is defined.
    @_lifetime(borrow self) get { unsafe span.bytes }
  }

  /// The array as room that the data plane's writers fill.
  mutating func withRoom(_ body: (inout MutableRawSpan) -> Void) {
    var elements = mutableSpan
    // Safety: every bit pattern that is written is a byte.
    var room = unsafe elements.mutableBytes
    body(&room)
  }
}

extension VirtioNetHeader {
  init?(_ bytes: [UInt8]) { self.init(bytes.raw) }

  /// A header without a request: the checksum is the reader's to verify.
  static let plain = VirtioNetHeader()

  /// What the kernel puts in front of a packet whose checksum it has verified.
  static let verified = {
    var header = VirtioNetHeader()
    header.flags = flagDataValid
    return header
  }()
}

extension Segment {
  /// Reads a packet, or tells why it is dropped.
  static func read(_ packet: [UInt8], _ vnet: VirtioNetHeader = .plain) -> Result<Segment, DropReason> {
    do throws(DropReason) { return .success(try parse(packet.raw, vnet: vnet)) } catch {
      return .failure(error)
    }
  }
}
