/// The header in front of every packet on a TUN queue with `IFF_VNET_HDR`
/// (`struct virtio_net_hdr_mrg_rxbuf`, linux/virtio_net.h; host byte order).
struct VirtioNetHeader: Equatable, Sendable, BitwiseCopyable {
  /// 12 bytes rather than 10: what follows is then aligned to four.
  static let length = 12

  static let flagNeedsChecksum: UInt8 = 1
  static let flagDataValid: UInt8 = 2
  static let gsoNone: UInt8 = 0
  static let gsoTCPv4: UInt8 = 1
  static let gsoTCPv6: UInt8 = 4
  static let gsoECN: UInt8 = 0x80

  var flags: UInt8 = 0
  var gsoType: UInt8 = 0
  /// IP + TCP header. On write it must be right; on read it is not to be trusted.
  var headerLength: UInt16 = 0
  /// Payload bytes of each segment; 0 when the packet is one segment.
  var gsoSize: UInt16 = 0
  var checksumStart: UInt16 = 0
  var checksumOffset: UInt16 = 0
  var bufferCount: UInt16 = 0

  init() {}

  /// Nil when the bytes are too few.
  init?(_ bytes: RawSpan) {
    guard bytes.byteCount >= Self.length else { return nil }
    self = bytes.raw(0, as: VirtioNetHeader.self)
  }

  /// A header for a segment, or for a train of `segmentSize` bytes each, whose checksum the kernel finishes.
  @inline(__always)
  init(isIPv4: Bool, ipLength: Int, tcpLength: Int, segmentSize: Int) {
    flags = Self.flagNeedsChecksum
    checksumStart = UInt16(truncatingIfNeeded: ipLength)
    checksumOffset = UInt16(TCPHeader.checksumOffset)
    guard segmentSize > 0 else { return }
    gsoType = isIPv4 ? Self.gsoTCPv4 : Self.gsoTCPv6
    gsoSize = UInt16(truncatingIfNeeded: segmentSize)
    headerLength = UInt16(truncatingIfNeeded: ipLength &+ tcpLength)
  }

  /// Whether the kernel vouches for the transport checksum, or has yet to write it.
  var checksumIsTrusted: Bool { flags & (Self.flagNeedsChecksum | Self.flagDataValid) != 0 }
}
