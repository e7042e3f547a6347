internal import CLiburing
internal import DataPlane

/// The programs that translate packets where they enter a device, before netfilter and routing see them
/// (docs/decisions/0085-translation-at-tc.md).
///
/// TCP between our end and the network goes straight to the other device. What the kernel has to look at, as a packet
/// that has come to its last hop, or has padding behind it, gets its new address all the same and is then forwarded.
/// What is larger than the TUN device's MTU comes to our end, which has the room: an error of the kernel's would quote
/// an address that its sender does not know. ICMP errors about packets that are too big are known by the packet that they quote.
///
/// Here is what both programs do, step by step; the steps are in `TranslatorProgram+Packets`, `+Route` and `+Rewriting`.
struct TranslatorProgram {
  typealias Field = TranslatorMemory.Field

  /// Whose packets the code is for that is put together now.
  var family = AddressFamily.ipv4
  let isMarked: Bool
  var code = BPFProgram()
  /// Goes on with the other family, and behind the last one leaves the packet to the next program, and then to the
  /// kernel.
  var next: BPFProgram.Label
  /// Drops what has been changed and cannot be sent.
  let drop: BPFProgram.Label
  /// Drops what would leave by another device.
  let stray: BPFProgram.Label

  // What lies where in a packet of this family, from the start of its IP header.
  var headerBytes: Int { family == .ipv4 ? 20 : 40 }
  var addressBytes: Int { family == .ipv4 ? 4 : 16 }
  var sourceOffset: Int { family == .ipv4 ? 12 : 8 }
  var destinationOffset: Int { sourceOffset + addressBytes }
  var hopsOffset: Int { family == .ipv4 ? 8 : 7 }
  var tcpBytes: Int { headerBytes + Self.tcpHeaderBytes }
  static let ipv4Checksum = 10
  static let tcpHeaderBytes = 20
  /// As far as ports (RFC 792, RFC 4443): its own, and what it quotes.
  static let icmpHeaderBytes = 8
  static let tcpChecksum = 16
  static let linkHeaderBytes = 14

  /// In `struct __sk_buff`.
  enum Context {
    static let length = 0
    static let packetType = 4
    static let mark = 8
    static let protocolNumber = 16
    static let hasVLANTag = 20
    static let vlanTag = 24
    static let data = 76
    static let dataEnd = 80
    static let segmentBytes = 176
  }

  /// What programs give (linux/pkt_cls.h).
  private enum Action {
    static let next: Int32 = -1
    static let drop: Int32 = 2
  }

  // What the registers hold all along.
  static let packet = BPFProgram.Register.r6
  static let shared = BPFProgram.Register.r7
  /// The packet's bytes.
  static let bytes = BPFProgram.Register.r8
  static let hops = BPFProgram.Register.r9

  private init(memory: Int32, isMarked: Bool) {
    self.isMarked = isMarked
    next = code.label()
    drop = code.label()
    stray = code.label()
    code.move(Self.packet, .r1)
    code.loadMemory(Self.shared, descriptor: memory)
  }

  /// For the ingress of the TUN device, whose packets begin with their IP header: from our TCP end to the network.
  /// `isMarked`: whether the route is looked up for packets with a mark (Linux 6.10).
  static func outward(memory: Int32, isMarked: Bool) -> [bpf_insn] {
    var program = TranslatorProgram(memory: memory, isMarked: isMarked)
    for family in AddressFamily.allCases {
      program.begin(family)
      program.readPacket(from: 0, program.tcpBytes)
      program.leaveUnlessSimple(at: 0)
      program.go(to: program.next, unless: program.sourceOffset, is: Field.inner)
      program.mark()
      program.readHops(at: 0, else: program.next)
      program.lookUpRoute()
      program.rewrite(program.sourceOffset, at: 0, to: Field.outer, Field.outwardSum, takesHop: true)
      program.count(.outward)
      program.redirectToNeighbour()
      program.code.place(program.next)
    }
    return program.end()
  }

  /// For the ingress of the device that packets come by: from the network to our TCP end. `checksSource`: at a
  /// client, whose packets are those of its servers.
  static func inward(memory: Int32, checksSource: Bool, isMarked: Bool) -> [bpf_insn] {
    var program = TranslatorProgram(memory: memory, isMarked: isMarked)
    let start = linkHeaderBytes
    for family in AddressFamily.allCases {
      let (forward, notTCP) = (program.code.label(), program.code.label())
      program.begin(family)
      program.leaveUnlessForThisHost()
      program.readPacket(from: start, program.tcpBytes)
      program.go(to: program.next, unless: program.destinationOffset + start, is: Field.outer)
      program.leaveUnlessHeaderIsPlain(at: start)
      program.code.jump(if: .r0, .unequal, Int32(IPPROTO_TCP), to: notTCP)
      let tcp = start + program.headerBytes
      program.leaveUnlessPortIsOurs(tcp + 2)
      if checksSource { program.leaveUnlessServer(start + program.sourceOffset, port: tcp) }
      program.readHops(at: start, else: forward)
      program.goUnlessWhole(to: forward, at: start)
      program.rewrite(program.destinationOffset, at: start, to: Field.inner, Field.inwardSum, takesHop: true)
      program.count(.inward)
      program.redirectToDevice()

      program.code.place(forward)
      program.mark()
      program.rewrite(program.destinationOffset, at: start, to: Field.inner, Field.inwardSum, takesHop: false)
      program.count(.inward)
      program.code.jump(to: program.next)

      program.code.place(notTCP)
      program.translateError(at: start, checksSource: checksSource)
      program.code.place(program.next)
    }
    return program.end()
  }

  // MARK: - Steps

  private mutating func begin(_ family: AddressFamily) {
    self.family = family
    next = code.label()
    loadShared(.r0, Field.isActive)
    code.jump(if: .r0, .equal, 0, to: next)
  }

  /// Of this family's block.
  mutating func loadShared(_ register: BPFProgram.Register, _ field: Int) {
    code.load(register, .word, Self.shared, TranslatorMemory.block(family) + field)
  }

  private mutating func end() -> [bpf_insn] {
    code.move(.r0, Action.next)
    code.exit()
    if code.isAwaited(stray) {
      code.place(stray)
      count(.stray)
    }
    code.place(drop)
    code.move(.r0, Action.drop)
    code.exit()
    return code.linked()
  }
}
