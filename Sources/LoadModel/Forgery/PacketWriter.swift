/// Writes IPv4 packets that need not be right into a buffer that is used again.
struct PacketWriter: Sendable {
  static let tcp: UInt8 = 6
  static let icmp: UInt8 = 1

  /// The packet, from its IP header on.
  private(set) var bytes: [UInt8] = []
  private var transportStart = 0

  init() { bytes.reserveCapacity(256) }

  /// Begins a packet; its length is filled in by `finish`, its header's checksum by the kernel (raw(7)).
  ///
  /// `fragmentField`: flags and offset as they lie in the header. `optionBytes`: a multiple of four, all NOP.
  mutating func begin(
    from source: UInt32, to destination: UInt32, protocol number: UInt8, identification: UInt16 = 0,
    fragmentField: UInt16 = 0x4000, optionBytes: Int = 0
  ) {
    bytes.removeAll(keepingCapacity: true)
    transportStart = 20 + optionBytes
    put8(0x40 | UInt8(transportStart / 4))
    put8(0)
    put16(0)
    put16(identification)
    put16(fragmentField)
    put8(64)
    put8(number)
    put16(0)
    put32(source)
    put32(destination)
    for _ in 0..<optionBytes { put8(1) }
  }

  /// Appends a TCP header without options and checksum. `words`: its length as it says itself.
  mutating func putTCP(
    from source: UInt16, to destination: UInt16, sequence: UInt32, acknowledgement: UInt32, flags: UInt8,
    words: UInt8 = 5
  ) {
    put16(source)
    put16(destination)
    put32(sequence)
    put32(acknowledgement)
    put8(words << 4)
    put8(flags)
    put16(0xffff)
    put32(0)
  }

  mutating func put8(_ value: UInt8) { bytes.append(value) }

  mutating func put16(_ value: UInt16) {
    put8(UInt8(value >> 8))
    put8(UInt8(truncatingIfNeeded: value))
  }

  mutating func put32(_ value: UInt32) {
    put16(UInt16(value >> 16))
    put16(UInt16(truncatingIfNeeded: value))
  }

  /// Takes off bytes at the end.
  mutating func cut(_ count: Int) { bytes.removeLast(count) }

  /// Writes the length and, `checksumAt` bytes into the transport's header, its checksum.
  ///
  /// `damage` is what the right checksum is changed by: any other value than 0 makes it wrong.
  mutating func finish(checksumAt place: Int? = nil, hasPseudoHeader: Bool = true, damage: UInt16 = 0) {
    set16(UInt16(bytes.count), at: 2)
    guard let place else { return }
    var sum: UInt32 = 0
    if hasPseudoHeader {
      sum = UInt32(bytes[9]) + UInt32(bytes.count - transportStart)
      for word in stride(from: 12, to: 20, by: 2) { sum += self.word(word) }
    }
    for word in stride(from: transportStart, to: bytes.count, by: 2) { sum += self.word(word) }
    while sum > 0xffff { sum = (sum & 0xffff) + (sum >> 16) }
    set16(~UInt16(sum) ^ damage, at: transportStart + place)
  }

  /// 16 bits in network order; a byte at the end is followed by 0 (RFC 1071).
  private func word(_ at: Int) -> UInt32 {
    UInt32(bytes[at]) << 8 | (at + 1 < bytes.count ? UInt32(bytes[at + 1]) : 0)
  }

  private mutating func set16(_ value: UInt16, at place: Int) {
    bytes[place] = UInt8(value >> 8)
    bytes[place + 1] = UInt8(truncatingIfNeeded: value)
  }
}
