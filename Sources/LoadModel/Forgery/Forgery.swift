/// An endless, reproducible supply of packets that nobody should believe.
///
/// What claims to be of the live flow has its addresses and ports, and numbers that the other end would not use:
/// of a reset, those behind its place or far ahead; of anything that a gateway would take if it fitted, those
/// beyond any window, each far from the one before, so that no two of them confirm each other.
package struct Forgery: Sendable {
  /// Whom it is made for: strangers differ from the live flow in the client's end.
  package enum Target: String, CaseIterable, Sendable { case server, client }

  /// A flow as the forger would see it in a packet that goes the way of the forged ones.
  package struct Flow: Sendable {
    package var source: IPv4Endpoint
    package var destination: IPv4Endpoint
    package var sequence: UInt32
    package var acknowledgement: UInt32

    package init(
      source: IPv4Endpoint, destination: IPv4Endpoint, sequence: UInt32, acknowledgement: UInt32
    ) {
      self.source = source
      self.destination = destination
      self.sequence = sequence
      self.acknowledgement = acknowledgement
    }
  }

  private enum Flags {
    static let fin: UInt8 = 0x01
    static let syn: UInt8 = 0x02
    static let rst: UInt8 = 0x04
    static let psh: UInt8 = 0x08
    static let ack: UInt8 = 0x10
    static let urg: UInt8 = 0x20
    static let all: UInt8 = 0x3f
    static let withoutACK = [0, fin, psh, urg, fin | psh | urg]
  }

  private static let checksumOfTCP = 16
  private static let checksumOfICMP = 2
  private static let gibi: UInt32 = 1 << 30
  private static let mebi: UInt32 = 1 << 20
  /// Strangers are of 198.18.0.0/15, which is for such purposes (RFC 2544 §C.2.2).
  private static let strangers: UInt32 = 198 << 24 | 18 << 16
  /// An unassigned protocol, for experiments (RFC 3692 §2.1).
  private static let experimental: UInt8 = 253

  private let flow: Flow
  private let target: Target
  private let behind: UInt32?
  private let kinds: [ForgedKind]
  private var random: RandomSource
  private var writer = PacketWriter()
  /// Counts what a gateway would call a stray, and fragments.
  private var strayCount: UInt32 = 0
  private var fragmentCount: UInt16 = 0

  /// `behind`: the address of the gateway's TCP end behind its TUN device; nil for none of what goes there.
  package init(like flow: Flow, for target: Target, behind: UInt32?, seed: UInt64) {
    self.flow = flow
    self.target = target
    self.behind = behind
    kinds = ForgedKind.allCases.filter { behind != nil || !$0.isBehind }
    random = RandomSource(seed: seed)
  }

  /// The packet that `next` has made, from its IP header on.
  package var packet: [UInt8] { writer.bytes }

  /// Where it is sent to.
  package func destination(of kind: ForgedKind) -> UInt32 {
    kind.isBehind ? behind ?? flow.destination.address : flow.destination.address
  }

  /// Makes a packet of a kind that is drawn.
  package mutating func next() -> ForgedKind {
    let kind = kinds[Int(random.next(below: UInt32(kinds.count)))]
    make(kind)
    return kind
  }

  private mutating func make(_ kind: ForgedKind) {
    switch kind {
    case .resetBehind:
      segment(Flags.rst, flow.sequence &- between(2 * Self.mebi, 8 * Self.mebi), 0)
    case .resetAhead: segment(Flags.rst, flow.sequence &+ between(Self.gibi, 2 * Self.gibi), 0)
    case .resetWithACK: segment(Flags.rst | Flags.ack, any(), any())
    case .everyFlag: segment(Flags.all, any(), any())
    case .syn: segment(Flags.syn, any(), 0)
    case .synACK: segment(Flags.syn | Flags.ack, any(), any())
    case .farData: far(payload: Int(between(1, 64)))
    case .farACK: far()
    case .badOptions: far(options: 8)
    case .addressOptions: far(addressOptions: 8)
    case .noACK: segment(withoutACK(), any(), any())
    case .badChecksum:
      segment(
        Flags.ack, flow.sequence, flow.acknowledgement, payload: Int(between(1, 64)),
        damage: 1 << UInt16(between(0, 16)))
    case .shortOffset:
      segment(Flags.ack, flow.sequence, flow.acknowledgement, words: UInt8(between(0, 5)), payload: 20)
    case .longOffset:
      segment(Flags.ack, flow.sequence, flow.acknowledgement, words: 15, payload: Int(between(1, 40)))
    case .cutHeader:
      begin()
      putTCP(Flags.ack, any(), any())
      // The ports and the checksum are there yet, so that translation passes it on.
      writer.cut(1)
      writer.finish(checksumAt: Self.checksumOfTCP)
    case .firstFragment: fragment(0x2000)
    case .laterFragment: fragment(UInt16(between(1, 100)))
    case .packetTooBig: error()
    case .strangerACK: stranger(Flags.ack)
    case .strangerReset: stranger(Flags.rst)
    case .strangerSYN: stranger(Flags.syn)
    case .strangerNoACK: stranger(withoutACK())
    case .otherProtocol:
      writer.begin(
        from: flow.source.address, to: destination(of: kind), protocol: Self.experimental)
      writer.put32(any())
      writer.finish()
    case .otherPort:
      writer.begin(from: flow.source.address, to: destination(of: kind), protocol: PacketWriter.tcp)
      writer.putTCP(
        from: flow.source.port, to: flow.destination.port &+ 1, sequence: any(), acknowledgement: any(),
        flags: Flags.ack)
      writer.finish(checksumAt: Self.checksumOfTCP)
    }
  }

  // MARK: - Shapes

  private mutating func begin(optionBytes: Int = 0) {
    writer.begin(
      from: flow.source.address, to: flow.destination.address, protocol: PacketWriter.tcp,
      optionBytes: optionBytes)
  }

  private mutating func putTCP(
    _ flags: UInt8, _ sequence: UInt32, _ acknowledgement: UInt32, words: UInt8 = 5
  ) {
    writer.putTCP(
      from: flow.source.port, to: flow.destination.port, sequence: sequence,
      acknowledgement: acknowledgement, flags: flags, words: words)
  }

  /// A segment of the live flow. `words` is the header's length as it says itself; options are noise.
  private mutating func segment(
    _ flags: UInt8, _ sequence: UInt32, _ acknowledgement: UInt32, words: UInt8 = 5, payload: Int = 0,
    damage: UInt16 = 0
  ) {
    begin()
    putTCP(flags, sequence, acknowledgement, words: words)
    putNoise(payload)
    writer.finish(checksumAt: Self.checksumOfTCP, damage: damage)
  }

  /// A segment that fits nowhere, and follows none of its kind.
  private mutating func far(payload: Int = 0, options: Int = 0, addressOptions: Int = 0) {
    // 19 MiB apart, between 1 and 3 GiB ahead.
    strayCount &+= 1
    let place = Self.gibi &+ (strayCount &* 19 &* Self.mebi) % (2 * Self.gibi)
    begin(optionBytes: addressOptions)
    putTCP(
      Flags.ack, flow.sequence &+ place, flow.acknowledgement &+ between(Self.gibi, 2 * Self.gibi),
      words: UInt8(5 + options / 4))
    putNoise(payload + options)
    writer.finish(checksumAt: Self.checksumOfTCP)
  }

  /// Each is alone of its packet.
  private mutating func fragment(_ field: UInt16) {
    fragmentCount &+= 1
    writer.begin(
      from: flow.source.address, to: flow.destination.address, protocol: PacketWriter.tcp,
      identification: fragmentCount, fragmentField: field)
    putTCP(Flags.ack, flow.sequence, flow.acknowledgement)
    putNoise(12)
    writer.finish(checksumAt: Self.checksumOfTCP)
  }

  /// "Fragmentation needed" about a segment from the flow's other end, which has not sent it.
  private mutating func error() {
    writer.begin(from: flow.source.address, to: flow.destination.address, protocol: PacketWriter.icmp)
    writer.put16(0x0304)
    writer.put32(0)
    writer.put16(UInt16(between(68, 1_500)))
    // What it quotes: an IP header of 1500 bytes, and the first 8 of TCP.
    writer.put32(0x4500_05dc)
    writer.put32(0x4000)
    writer.put32(0x4006_0000)
    writer.put32(flow.destination.address)
    writer.put32(flow.source.address)
    writer.put16(flow.destination.port)
    writer.put16(flow.source.port)
    writer.put32(flow.acknowledgement &+ between(Self.gibi, 2 * Self.gibi))
    writer.finish(checksumAt: Self.checksumOfICMP, hasPseudoHeader: false)
  }

  /// A segment that differs from the live flow in the client's end.
  private mutating func stranger(_ flags: UInt8) {
    var (source, destination) = (flow.source, flow.destination)
    let live = target == .server ? source.port : destination.port
    var port = UInt16(between(2_048, 32_768))
    if port == live { port += 1 }
    switch target {
    case .server: source = IPv4Endpoint(address: Self.strangers | between(0, 1 << 17), port: port)
    case .client: destination.port = port
    }
    writer.begin(from: source.address, to: destination.address, protocol: PacketWriter.tcp)
    writer.putTCP(
      from: source.port, to: destination.port, sequence: any(), acknowledgement: any(), flags: flags)
    writer.finish(checksumAt: Self.checksumOfTCP)
  }

  // MARK: - Chance

  private mutating func putNoise(_ count: Int) {
    for _ in 0..<count { writer.put8(UInt8(truncatingIfNeeded: random.next())) }
  }

  private mutating func any() -> UInt32 { UInt32(truncatingIfNeeded: random.next()) }

  /// From `lower` up to and without `upper`.
  private mutating func between(_ lower: UInt32, _ upper: UInt32) -> UInt32 {
    lower + random.next(below: upper - lower)
  }

  private mutating func withoutACK() -> UInt8 {
    Flags.withoutACK[Int(random.next(below: UInt32(Flags.withoutACK.count)))]
  }
}
