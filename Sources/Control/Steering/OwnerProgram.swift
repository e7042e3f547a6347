internal import CLiburing
internal import DataPlane
internal import Glibc

/// The program that gives a packet on its way to the TUN device the number of the worker that its flow belongs to: what
/// `FlowOwners` computes, in the kernel (TUNSETSTEERINGEBPF, `tun_ebpf_select_queue` in drivers/net/tun.c).
///
/// What is no TCP, or too short for it, goes to the first worker.
struct OwnerProgram {
  /// On the stack: the headers from the IP header on, as far as an IPv6 one and two ports reach.
  private enum Place {
    static let start = -48
    static let next6 = start + 6
    static let protocol4 = start + 9
    static let source4 = start + 12
    static let ports4 = start + 20
    static let source6 = start + 8
    static let rest6 = start + 24
    static let ports6 = start + 40
  }

  private static let packet = BPFProgram.Register.r6
  private static let ports = BPFProgram.Register.r7
  private static let high = BPFProgram.Register.r8
  private static let low = BPFProgram.Register.r9

  private var code = BPFProgram()
  private let owners: FlowOwners
  private let unknown: BPFProgram.Label

  private init(_ owners: FlowOwners) {
    self.owners = owners
    unknown = code.label()
  }

  /// Gives numbers below the number of workers.
  static func code(_ owners: FlowOwners) -> [bpf_insn] {
    var program = OwnerProgram(owners)
    program.readHeaders()
    switch owners.role {
    case .client: program.chooseByPort()
    case .server: program.chooseByHash()
    }
    return program.code.linked()
  }

  /// Reads both ports, and the source's address as the two words of an `Address`.
  private mutating func readHeaders() {
    let (isIPv4, hasPorts, isRead) = (code.label(), code.label(), code.label())
    code.move(Self.packet, .r1)
    code.move(.r2, 0)
    read(24, to: Place.start)
    code.load(.r1, .byte, .stack, Place.start)
    code.change(.r1, .shiftRight, 4)
    code.jump(if: .r1, .equal, 4, to: isIPv4)
    code.jump(if: .r1, .unequal, 6, to: unknown)

    code.load(.r1, .byte, .stack, Place.next6)
    code.jump(if: .r1, .unequal, Int32(IPPROTO_TCP), to: unknown)
    code.move(.r2, Int32(Place.rest6 - Place.start))
    read(20, to: Place.rest6)
    code.load(Self.high, .double, .stack, Place.source6)
    code.load(Self.low, .double, .stack, Place.source6 + 8)
    code.load(Self.ports, .word, .stack, Place.ports6)
    code.jump(to: isRead)

    code.place(isIPv4)
    code.load(.r1, .byte, .stack, Place.protocol4)
    code.jump(if: .r1, .unequal, Int32(IPPROTO_TCP), to: unknown)
    // The header's length is in the lower half of a byte, in words.
    code.load(.r2, .byte, .stack, Place.start)
    code.change(.r2, .and, 15)
    code.jump(if: .r2, .equal, 5, to: hasPorts)
    code.change(.r2, .shiftLeft, 2)
    read(4, to: Place.ports4)
    code.place(hasPorts)
    let prefix = Address.ipv4Prefix
    code.move(Self.high, bits: prefix.high)
    code.move(Self.low, bits: prefix.low)
    code.load(.r1, .word, .stack, Place.source4)
    code.change(.r1, .shiftLeft, 32)
    code.change(Self.low, .or, .r1)
    code.load(Self.ports, .word, .stack, Place.ports4)
    code.place(isRead)
    code.readNetworkOrder(Self.ports, bits: 32)
  }

  private mutating func read(_ count: Int32, to place: Int) {
    code.readHeader(of: Self.packet, count, to: place, orGoTo: unknown)
  }

  private mutating func chooseByPort() {
    code.move(.r0, Self.ports)
    code.change(.r0, .and, 0xffff)
    code.change(.r0, .modulo, Int32(owners.workerCount))
    finish()
  }

  private mutating func chooseByHash() {
    code.move(.r0, Self.high)
    code.change(.r0, .xor, Self.ports)
    mix(.r0, owners.multipliers.0)
    code.change(.r0, .xor, Self.low)
    mix(.r0, owners.multipliers.1)
    mix(.r0, FlowOwners.finalMultipliers.0)
    multiply(.r0, FlowOwners.finalMultipliers.1)
    code.change(.r0, .shiftRight, 32)
    code.change(.r0, .multiply, Int32(owners.workerCount))
    code.change(.r0, .shiftRight, 32)
    finish()
  }

  private mutating func mix(_ register: BPFProgram.Register, _ factor: UInt64) {
    multiply(register, factor)
    code.move(.r1, register)
    code.change(.r1, .shiftRight, 32)
    code.change(register, .xor, .r1)
  }

  private mutating func multiply(_ register: BPFProgram.Register, _ factor: UInt64) {
    code.move(.r2, bits: factor)
    code.change(register, .multiply, .r2)
  }

  private mutating func finish() {
    code.exit()
    code.place(unknown)
    code.move(.r0, 0)
    code.exit()
  }
}
