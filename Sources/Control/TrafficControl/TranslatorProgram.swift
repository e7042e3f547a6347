internal import CLiburing
internal import DataPlane

/// The programs that translate packets where they enter a device, before netfilter and routing see them
/// (docs/decisions/0085-translation-at-tc.md).
///
/// TCP between our end and the network goes straight to the other device. What the kernel has to look at, as a packet
/// that is too big, has come to its last hop, or has padding behind it, gets its new address all the same and is then
/// forwarded. ICMP errors about packets that are too big are known by the packet that they quote.
struct TranslatorProgram {
  private typealias Field = TranslatorMemory.Field

  /// Whose packets the code is for that is put together now.
  private var family = AddressFamily.ipv4
  private let isMarked: Bool
  private var code = BPFProgram()
  /// Goes on with the other family, and behind the last one leaves the packet to the next program, and then to the
  /// kernel.
  private var next: BPFProgram.Label
  /// Drops what has been changed and cannot be sent.
  private let drop: BPFProgram.Label
  /// Drops what would leave by another device.
  private let stray: BPFProgram.Label

  // What lies where in a packet of this family, from the start of its IP header.
  private var headerBytes: Int { family == .ipv4 ? 20 : 40 }
  private var addressBytes: Int { family == .ipv4 ? 4 : 16 }
  private var sourceOffset: Int { family == .ipv4 ? 12 : 8 }
  private var destinationOffset: Int { sourceOffset + addressBytes }
  private var hopsOffset: Int { family == .ipv4 ? 8 : 7 }
  private var tcpBytes: Int { headerBytes + Self.tcpHeaderBytes }
  private static let ipv4Checksum = 10
  private static let tcpHeaderBytes = 20
  /// As far as ports (RFC 792, RFC 4443): its own, and what it quotes.
  private static let icmpHeaderBytes = 8
  private static let tcpChecksum = 16
  private static let linkHeaderBytes = 14

  /// In `struct __sk_buff`.
  private enum Context {
    static let length = 0
    static let packetType = 4
    static let mark = 8
    static let protocolNumber = 16
    static let hasVLANTag = 20
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
  private static let packet = BPFProgram.Register.r6
  private static let shared = BPFProgram.Register.r7
  /// The packet's bytes.
  private static let bytes = BPFProgram.Register.r8
  private static let hops = BPFProgram.Register.r9

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

  /// Gives a negative errno: EINVAL where the kernel does not know these flags, and else EAFNOSUPPORT, since no family
  /// is given.
  static func routeProbe(isMarked: Bool) -> [bpf_insn] {
    var code = BPFProgram()
    for offset in stride(from: Route.base, to: 0, by: 8) { code.store(.double, .stack, offset, value: 0) }
    askForRoute(&code, isMarked: isMarked)
    code.exit()
    return code.linked()
  }

  // MARK: - Which packets

  private mutating func begin(_ family: AddressFamily) {
    self.family = family
    next = code.label()
    loadShared(.r0, Field.isActive)
    code.jump(if: .r0, .equal, 0, to: next)
  }

  /// Of this family's block.
  private mutating func loadShared(_ register: BPFProgram.Register, _ field: Int) {
    code.load(register, .word, Self.shared, TranslatorMemory.block(family) + field)
  }

  /// Not of another VLAN, another host's, or another protocol's.
  private mutating func leaveUnlessForThisHost() {
    code.load(.r0, .word, Self.packet, Context.hasVLANTag)
    code.jump(if: .r0, .unequal, 0, to: next)
    code.load(.r0, .word, Self.packet, Context.packetType)
    code.jump(if: .r0, .unequal, 0, to: next)
    code.load(.r0, .word, Self.packet, Context.protocolNumber)
    code.jump(if: .r0, .unequal, Int32(UInt16(family == .ipv4 ? 0x0800 : 0x86dd).bigEndian), to: next)
  }

  /// Finds the headers, and brings them together where they lie apart.
  private mutating func readPacket(from start: Int, _ count: Int) {
    let needed = Int32(start + count)
    let isThere = code.label()
    code.load(Self.bytes, .word, Self.packet, Context.data)
    code.load(.r1, .word, Self.packet, Context.dataEnd)
    code.move(.r0, Self.bytes)
    code.change(.r0, .add, needed)
    code.jump(if: .r0, .atMost, .r1, to: isThere)
    code.move(.r1, Self.packet)
    code.move(.r2, needed)
    code.call(.pullData)
    code.jump(if: .r0, .unequal, 0, to: next)
    code.load(Self.bytes, .word, Self.packet, Context.data)
    code.load(.r1, .word, Self.packet, Context.dataEnd)
    code.move(.r0, Self.bytes)
    code.change(.r0, .add, needed)
    code.jump(if: .r0, .greater, .r1, to: next)
    code.place(isThere)
  }

  /// Without IP options, and no later fragment. r0 is the protocol that follows then.
  private mutating func leaveUnlessHeaderIsPlain(at start: Int) {
    code.load(.r0, .byte, Self.bytes, start)
    switch family {
    case .ipv4:
      code.jump(if: .r0, .unequal, 0x45, to: next)
      code.load(.r0, .half, Self.bytes, start + 6)
      code.change(.r0, .and, Int32(UInt16(0x1fff).bigEndian))
      code.jump(if: .r0, .unequal, 0, to: next)
      code.load(.r0, .byte, Self.bytes, start + 9)
    case .ipv6:
      code.change(.r0, .shiftRight, 4)
      code.jump(if: .r0, .unequal, 6, to: next)
      code.load(.r0, .byte, Self.bytes, start + 6)
    }
  }

  private mutating func leaveUnlessSimple(at start: Int) {
    leaveUnlessHeaderIsPlain(at: start)
    code.jump(if: .r0, .unequal, Int32(IPPROTO_TCP), to: next)
  }

  /// Compares the address at `offset` with one of ours.
  private mutating func go(to label: BPFProgram.Label, unless offset: Int, is field: Int) {
    for word in stride(from: 0, to: addressBytes, by: 4) {
      code.load(.r0, .word, Self.bytes, offset + word)
      loadShared(.r1, field + word)
      code.jump(if: .r0, .unequal, .r1, to: label)
    }
  }

  private mutating func leaveUnlessPortIsOurs(_ offset: Int) {
    code.load(.r0, .half, Self.bytes, offset)
    code.readNetworkOrder(.r0)
    loadShared(.r1, Field.portFirst)
    code.jump(if: .r0, .less, .r1, to: next)
    loadShared(.r1, Field.portLast)
    code.jump(if: .r0, .greater, .r1, to: next)
  }

  /// Compares an address and a port with those of a client's servers.
  private mutating func leaveUnlessServer(_ address: Int, port: Int) {
    let isServer = code.label()
    code.load(.r2, .half, Self.bytes, port)
    for index in 0..<GatewayConfiguration.remotesMax {
      let remote = Field.remotes + index * Field.remoteStride
      let another = code.label()
      loadShared(.r1, remote + Field.remotePort)
      code.jump(if: .r1, .equal, 0, to: next)
      code.jump(if: .r1, .unequal, .r2, to: another)
      go(to: another, unless: address, is: remote)
      code.jump(to: isServer)
      code.place(another)
    }
    code.jump(to: next)
    code.place(isServer)
  }

  /// Of a packet that has come to its last hop, the kernel tells its sender (`ip_forward`).
  private mutating func readHops(at start: Int, else label: BPFProgram.Label) {
    code.load(Self.hops, .byte, Self.bytes, start + hopsOffset)
    code.jump(if: Self.hops, .atMost, 1, to: label)
  }

  /// No fragment, no padding behind it, which the TUN device would take for payload, and no more than the device takes:
  /// the kernel sees to all of that.
  private mutating func goUnlessWhole(to label: BPFProgram.Label, at start: Int) {
    if family == .ipv4 {
      code.load(.r0, .half, Self.bytes, start + 6)
      code.change(.r0, .and, Int32(UInt16(0x2000).bigEndian))
      code.jump(if: .r0, .unequal, 0, to: label)
    }
    code.load(.r1, .word, Self.packet, Context.length)
    code.change(.r1, .subtract, Int32(start + (family == .ipv4 ? 0 : headerBytes)))
    code.load(.r0, .half, Self.bytes, start + (family == .ipv4 ? 2 : 4))
    code.readNetworkOrder(.r0)
    code.jump(if: .r0, .unequal, .r1, to: label)
    readWireBytes(into: .r1, at: start, linkBytes: start)
    loadShared(.r0, Field.mtu)
    code.jump(if: .r1, .greater, .r0, to: label)
  }

  /// The size of the IP packet, or of the largest one that a train is cut into.
  private mutating func readWireBytes(into register: BPFProgram.Register, at start: Int, linkBytes: Int) {
    let isTrain = code.label()
    let isKnown = code.label()
    code.load(register, .word, Self.packet, Context.segmentBytes)
    code.jump(if: register, .unequal, 0, to: isTrain)
    code.load(register, .word, Self.packet, Context.length)
    if linkBytes != 0 { code.change(register, .subtract, Int32(linkBytes)) }
    code.jump(to: isKnown)
    code.place(isTrain)
    // The TCP header's length is in the upper half of a byte, in words.
    code.load(.r0, .byte, Self.bytes, start + headerBytes + 12)
    code.change(.r0, .shiftRight, 4)
    code.change(.r0, .shiftLeft, 2)
    code.change(register, .add, .r0)
    code.change(register, .add, Int32(headerBytes))
    code.place(isKnown)
  }

  // MARK: - Where to

  /// `struct bpf_fib_lookup`, from the end of the stack.
  private enum Route {
    static let base = -64
    static let family = base
    static let protocolNumber = base + 1
    static let sourcePort = base + 2
    static let destinationPort = base + 4
    static let length = base + 6
    static let interface = base + 8
    static let serviceType = base + 12
    static let source = base + 16
    /// Then the next hop's.
    static let destination = base + 32
    static let mark = base + 52
    static let byteCount = 64
    static let skipsNeighbour: Int32 = 1 << 2
    static let usesMark: Int32 = 1 << 5
  }

  /// `struct bpf_redir_neigh`, below.
  private enum Hop {
    static let base = -88
    static let address = base + 4
    static let byteCount = 20
  }

  /// For what stands on the stack (`Route`), and the packet in r1.
  private static func askForRoute(_ code: inout BPFProgram, isMarked: Bool) {
    code.move(.r2, .stack)
    code.change(.r2, .add, Int32(Route.base))
    code.move(.r3, Int32(Route.byteCount))
    code.move(.r4, Route.skipsNeighbour | (isMarked ? Route.usesMark : 0))
    code.call(.lookUpRoute)
  }

  /// Looks the route up as the kernel does when it forwards. What is for this host, too big for the way, or may not be
  /// forwarded, is left to the kernel, which tells our end; what would leave by another device, too, if rules give it an
  /// address there, and else it is dropped.
  private mutating func lookUpRoute() {
    for offset in stride(from: Hop.base, to: 0, by: 8) { code.store(.double, .stack, offset, value: 0) }
    code.store(.byte, .stack, Route.family, value: family == .ipv4 ? 2 : 10)
    code.store(.byte, .stack, Route.protocolNumber, value: Int32(IPPROTO_TCP))
    for (from, to) in [(0, Route.sourcePort), (2, Route.destinationPort)] {
      code.load(.r0, .half, Self.bytes, headerBytes + from)
      code.store(.half, .stack, to, .r0)
    }
    readWireBytes(into: .r1, at: 0, linkBytes: 0)
    code.store(.half, .stack, Route.length, .r1)
    loadShared(.r0, Field.deviceIndex)
    code.store(.word, .stack, Route.interface, .r0)
    if family == .ipv4 {
      code.load(.r0, .byte, Self.bytes, 1)
      code.change(.r0, .and, 0xfc)
      code.store(.byte, .stack, Route.serviceType, .r0)
    }
    for (from, to) in [(sourceOffset, Route.source), (destinationOffset, Route.destination)] {
      for offset in stride(from: 0, to: addressBytes, by: 4) {
        code.load(.r0, .word, Self.bytes, from + offset)
        code.store(.word, .stack, to + offset, .r0)
      }
    }
    if isMarked {
      loadShared(.r0, Field.mark)
      code.store(.word, .stack, Route.mark, .r0)
    }
    code.move(.r1, Self.packet)
    Self.askForRoute(&code, isMarked: isMarked)
    // What the kernel forwards, or tells our end why not: it sees to these.
    let isFound = code.label()
    code.jump(if: .r0, .equal, 0, to: isFound)
    for result in [BPF_FIB_LKUP_RET_UNSUPP_LWT, BPF_FIB_LKUP_RET_NO_NEIGH] {
      code.jump(if: .r0, .equal, Int32(result), to: stray)
    }
    code.jump(if: .r0, .greater, Int32(BPF_FIB_LKUP_RET_FRAG_NEEDED), to: stray)
    code.jump(to: next)
    code.place(isFound)
    code.load(.r0, .word, .stack, Route.interface)
    loadShared(.r1, Field.outletIndex)
    let leavesByOutlet = code.label()
    code.jump(if: .r0, .equal, .r1, to: leavesByOutlet)
    loadShared(.r0, Field.leavesOthersAlone)
    code.jump(if: .r0, .equal, 0, to: stray)
    code.jump(to: next)
    code.place(leavesByOutlet)
    // An IPv4 route may go by an IPv6 router.
    code.load(.r0, .byte, .stack, Route.family)
    code.store(.word, .stack, Hop.base, .r0)
    for offset in stride(from: 0, to: 16, by: 4) {
      code.load(.r0, .word, .stack, Route.destination + offset)
      code.store(.word, .stack, Hop.address + offset, .r0)
    }
  }

  // MARK: - What becomes of it

  /// For routing, here and in the kernel.
  private mutating func mark() {
    guard isMarked else { return }
    loadShared(.r1, Field.mark)
    code.store(.word, Self.packet, Context.mark, .r1)
  }

  /// The other address, one hop less where the kernel does not forward it, and checksums that fit.
  private mutating func rewrite(_ address: Int, at start: Int, to field: Int, _ sum: Int, takesHop: Bool) {
    writeAddress(start + address, field)
    if takesHop {
      code.change(Self.hops, .subtract, 1)
      code.store(.byte, Self.bytes, start + hopsOffset, Self.hops)
    }
    if family == .ipv4 { mendHeaderChecksum(at: start, sum, takesHop: takesHop) }
    mendChecksum(start + headerBytes + Self.tcpChecksum, sum)
  }

  private mutating func writeAddress(_ offset: Int, _ field: Int) {
    for word in stride(from: 0, to: addressBytes, by: 4) {
      loadShared(.r0, field + word)
      code.store(.word, Self.bytes, offset + word, .r0)
    }
  }

  /// RFC 1624. One hop less takes 1 from the word that it is the first byte of, read as little-endian.
  private mutating func mendHeaderChecksum(at start: Int, _ sum: Int, takesHop: Bool) {
    code.load(.r0, .half, Self.bytes, start + Self.ipv4Checksum)
    code.change(.r0, .xor, 0xffff)
    loadShared(.r1, sum)
    code.change(.r0, .add, .r1)
    if takesHop { code.change(.r0, .add, 0xfffe) }
    for _ in 0..<2 {
      code.move(.r1, .r0)
      code.change(.r1, .shiftRight, 16)
      code.change(.r0, .and, 0xffff)
      code.change(.r0, .add, .r1)
    }
    code.change(.r0, .xor, 0xffff)
    code.store(.half, Self.bytes, start + Self.ipv4Checksum, .r0)
  }

  /// Over the pseudo-header (RFC 9293 §3.1), as the kernel does it: it may be for the hardware to complete.
  private mutating func mendChecksum(_ offset: Int, _ sum: Int) {
    code.move(.r1, Self.packet)
    code.move(.r2, Int32(offset))
    code.move(.r3, 0)
    loadShared(.r4, sum)
    code.move(.r5, 0x10)
    code.call(.replaceTransportChecksum)
    code.jump(if: .r0, .unequal, 0, to: drop)
  }

  /// An ICMP error that tells our end of a packet that is too big for the way. The kernel forwards it.
  private mutating func translateError(at start: Int, checksSource: Bool) {
    let icmp = start + headerBytes
    let quote = icmp + Self.icmpHeaderBytes
    let (kind, code4) = family == .ipv4 ? (Int32(3), Int32(4)) : (2, 0)
    code.jump(if: .r0, .unequal, Int32(family == .ipv4 ? IPPROTO_ICMP : 58), to: next)
    readPacket(from: start, headerBytes + Self.icmpHeaderBytes + headerBytes + 4)
    code.load(.r0, .byte, Self.bytes, icmp)
    code.jump(if: .r0, .unequal, kind, to: next)
    code.load(.r0, .byte, Self.bytes, icmp + 1)
    code.jump(if: .r0, .unequal, code4, to: next)
    leaveUnlessSimple(at: quote)
    go(to: next, unless: quote + sourceOffset, is: Field.outer)
    leaveUnlessPortIsOurs(quote + headerBytes)
    if checksSource { leaveUnlessServer(quote + destinationOffset, port: quote + headerBytes + 2) }
    mark()
    writeAddress(start + destinationOffset, Field.inner)
    switch family {
    case .ipv4: mendHeaderChecksum(at: start, Field.inwardSum, takesHop: false)
    case .ipv6: mendChecksum(icmp + 2, Field.inwardSum)
    }
    count(.inward)
    code.jump(to: next)
  }

  private mutating func count(_ counter: TranslatorMemory.Counter) {
    code.call(.processorID)
    code.change(.r0, .and, Int32(TranslatorMemory.counterRows - 1))
    code.change(.r0, .shiftLeft, 6)
    code.change(.r0, .add, Self.shared)
    code.move(.r1, 1)
    code.addAtomically(.double, .r0, TranslatorMemory.counters + counter.rawValue * 8, .r1)
  }

  /// With room for a link-layer header, without which the kernel drops it (`__bpf_redirect_neigh`).
  private mutating func redirectToNeighbour() {
    code.move(.r1, Self.packet)
    code.move(.r2, Int32(Self.linkHeaderBytes))
    code.move(.r3, 0)
    code.call(.changeHead)
    code.jump(if: .r0, .unequal, 0, to: drop)
    loadShared(.r1, Field.outletIndex)
    code.move(.r2, .stack)
    code.change(.r2, .add, Int32(Hop.base))
    code.move(.r3, Int32(Hop.byteCount))
    code.move(.r4, 0)
    code.call(.redirectToNeighbour)
    code.exit()
  }

  private mutating func redirectToDevice() {
    loadShared(.r1, Field.deviceIndex)
    code.move(.r2, 0)
    code.call(.redirect)
    code.exit()
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
