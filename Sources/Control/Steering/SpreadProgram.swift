internal import CLiburing

/// The program that deals each UDP source's datagrams out among a client's workers, where sources have several
/// connections (docs/decisions/0022-one-flow-one-worker.md): the kernel asks it which of the sockets of a port gets one
/// (SO_ATTACH_REUSEPORT_EBPF in socket(7)).
///
/// A source's datagrams go to the same worker for a slice of time, so that trains stay whole. Which one has the next
/// slice is a hash of source and time: no state, and nothing that requests and answers could fall in step with.
struct SpreadProgram {
  /// A slice is 2^20 ns, about a millisecond: some trains of a fast source, and less than its socket has room for.
  private static let sliceShift: Int32 = 20
  /// 2^32 less 2^32 by the golden ratio: products with it spread numbers that follow each other (Knuth, TAOCP 6.4).
  private static let multiplier: Int32 = 0x61c8_8647

  /// On the stack.
  private enum Place {
    static let version = -24
    static let port = -20
    static let address = -16
  }

  private static let packet = BPFProgram.Register.r6
  private static let source = BPFProgram.Register.r7
  private static let portOffset = BPFProgram.Register.r9

  private var code = BPFProgram()
  private let unreadable: BPFProgram.Label

  private init() { unreadable = code.label() }

  /// Gives numbers below `workers`, and for each source `reach` of them, one after the other. For what it cannot read
  /// it gives a number that no socket has: the kernel then goes by its own hash.
  static func code(workers: Int, reach: Int) -> [bpf_insn] {
    precondition((1...workers).contains(reach))
    var program = SpreadProgram()
    program.readSource()
    program.choose(Int32(workers), Int32(reach))
    return program.code.linked()
  }

  private mutating func readSource() {
    let (isIPv4, isRead) = (code.label(), code.label())
    code.move(Self.packet, .r1)
    for offset in [-24, -16, -8] { code.store(.double, .stack, offset, value: 0) }
    code.move(.r2, 0)
    read(1, to: Place.version)
    code.load(Self.portOffset, .byte, .stack, Place.version)
    code.move(.r8, Self.portOffset)
    code.change(.r8, .shiftRight, 4)
    code.jump(if: .r8, .equal, 4, to: isIPv4)
    code.move(.r2, 8)
    read(16, to: Place.address)
    code.move(Self.portOffset, 40)
    code.jump(to: isRead)
    code.place(isIPv4)
    code.move(.r2, 12)
    read(4, to: Place.address)
    // The header's length is in the lower half of a byte, in words.
    code.change(Self.portOffset, .and, 15)
    code.change(Self.portOffset, .shiftLeft, 2)
    code.place(isRead)
    code.move(.r2, Self.portOffset)
    read(2, to: Place.port)

    code.load(Self.source, .half, .stack, Place.port)
    for word in 0..<4 {
      code.change(Self.source, .multiply, Self.multiplier)
      code.load(.r1, .word, .stack, Place.address + 4 * word)
      code.change(Self.source, .xor, .r1)
    }
    mix(Self.source)
  }

  private mutating func read(_ count: Int32, to place: Int) {
    code.readHeader(of: Self.packet, count, to: place, orGoTo: unreadable)
  }

  /// 16 bits that depend on all of the register's lower half.
  private mutating func mix(_ register: BPFProgram.Register) {
    code.change(register, .multiply, Self.multiplier)
    code.change(register, .shiftRight, 16)
    code.change(register, .and, 0xffff)
  }

  private mutating func choose(_ workers: Int32, _ reach: Int32) {
    code.call(.now)
    code.change(.r0, .shiftRight, Self.sliceShift)
    code.change(.r0, .add, Self.source)
    mix(.r0)
    code.change(.r0, .modulo, reach)
    code.change(Self.source, .modulo, workers)
    code.change(.r0, .add, Self.source)
    code.change(.r0, .modulo, workers)
    code.exit()
    code.place(unreadable)
    code.move(.r0, -1)
    code.exit()
  }
}
