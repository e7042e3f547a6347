internal import CLiburing

/// A program for the kernel's BPF machine, put together instruction by instruction (RFC 9669).
///
/// Only what guise's need: unsigned comparisons, jumps ahead, numbers of 32 bits.
struct BPFProgram {
  enum Register: UInt8 {
    /// What a call gave, and what the program returns.
    case r0
    /// The arguments of a call, which does not preserve them. At the start r1 is the packet (`struct __sk_buff`).
    case r1, r2, r3, r4, r5
    /// These outlive calls.
    case r6, r7, r8, r9
    /// The end of the stack, which grows down.
    case stack
  }

  enum Width {
    case byte, half, word, double

    fileprivate var code: Int32 {
      switch self {
      case .byte: BPF_B
      case .half: BPF_H
      case .word: BPF_W
      case .double: BPF_DW
      }
    }
  }

  enum Comparison {
    case equal, unequal, greater, less, atMost

    fileprivate var code: Int32 {
      switch self {
      case .equal: BPF_JEQ
      case .unequal: BPF_JNE
      case .greater: BPF_JGT
      case .less: BPF_JLT
      case .atMost: BPF_JLE
      }
    }
  }

  enum Operation {
    case add, subtract, multiply, modulo, and, or, xor, shiftLeft, shiftRight

    fileprivate var code: Int32 {
      switch self {
      case .add: BPF_ADD
      case .subtract: BPF_SUB
      case .multiply: BPF_MUL
      case .modulo: BPF_MOD
      case .and: BPF_AND
      case .or: BPF_OR
      case .xor: BPF_XOR
      case .shiftLeft: BPF_LSH
      case .shiftRight: BPF_RSH
      }
    }
  }

  /// Functions of the kernel, by their number in linux/bpf.h (bpf-helpers(7)).
  enum Helper: Int32 {
    case now = 5
    case processorID = 8
    case replaceTransportChecksum = 11
    case removeVLANTag = 19
    case redirect = 23
    case pullData = 39
    case changeHead = 43
    case loadBytesFromHeader = 68
    case lookUpRoute = 69
    case redirectToNeighbour = 152
  }

  /// Where a jump goes, known or not yet.
  struct Label: Hashable {
    fileprivate let number: Int
  }

  private(set) var instructions: [bpf_insn] = []
  private var jumps: [(instruction: Int, label: Label)] = []
  private var places: [Label: Int] = [:]
  private var labelCount = 0

  // MARK: - Values

  mutating func move(_ to: Register, _ value: Int32) {
    append(BPF_ALU64 | Int32(BPF_MOV) | BPF_K, to, immediate: value)
  }
  mutating func move(_ to: Register, _ from: Register) {
    append(BPF_ALU64 | Int32(BPF_MOV) | BPF_X, to, from)
  }
  /// All 64 bits, in two instructions.
  mutating func move(_ to: Register, bits: UInt64) {
    append(BPF_LD | BPF_IMM | BPF_DW, to, immediate: Int32(truncatingIfNeeded: bits))
    append(0, .r0, immediate: Int32(truncatingIfNeeded: bits >> 32))
  }
  mutating func change(_ register: Register, _ operation: Operation, _ value: Int32) {
    append(BPF_ALU64 | operation.code | BPF_K, register, immediate: value)
  }
  mutating func change(_ register: Register, _ operation: Operation, _ by: Register) {
    append(BPF_ALU64 | operation.code | BPF_X, register, by)
  }
  /// So many bits in network order, 16 or 32, become a number.
  mutating func readNetworkOrder(_ register: Register, bits: Int32 = 16) {
    append(BPF_ALU | Int32(BPF_END) | Int32(BPF_TO_BE), register, immediate: bits)
  }

  // MARK: - Memory

  mutating func load(_ to: Register, _ width: Width, _ base: Register, _ offset: Int) {
    append(BPF_LDX | BPF_MEM | width.code, to, base, offset: offset)
  }
  mutating func store(_ width: Width, _ base: Register, _ offset: Int, _ from: Register) {
    append(BPF_STX | BPF_MEM | width.code, base, from, offset: offset)
  }
  mutating func store(_ width: Width, _ base: Register, _ offset: Int, value: Int32) {
    append(BPF_ST | BPF_MEM | width.code, base, offset: offset, immediate: value)
  }
  /// In one step that no other processor sees the half of.
  mutating func addAtomically(_ width: Width, _ base: Register, _ offset: Int, _ from: Register) {
    append(BPF_STX | Int32(BPF_ATOMIC) | width.code, base, from, offset: offset, immediate: BPF_ADD)
  }
  /// The address of the only element of an array (`guise_bpf_memory`).
  mutating func loadMemory(_ to: Register, descriptor: Int32) {
    append(BPF_LD | BPF_IMM | BPF_DW, to, source: UInt8(BPF_PSEUDO_MAP_VALUE), immediate: descriptor)
    append(0, .r0)
  }

  // MARK: - Course

  mutating func label() -> Label {
    labelCount += 1
    return Label(number: labelCount)
  }
  func isAwaited(_ label: Label) -> Bool { jumps.contains { $0.label == label } }
  /// Jumps to `label` come here.
  mutating func place(_ label: Label) { places[label] = instructions.count }

  mutating func jump(to label: Label) {
    jumps.append((instructions.count, label))
    append(BPF_JMP | BPF_JA, .r0)
  }
  mutating func jump(if register: Register, _ comparison: Comparison, _ value: Int32, to label: Label) {
    jumps.append((instructions.count, label))
    append(BPF_JMP | comparison.code | BPF_K, register, immediate: value)
  }
  mutating func jump(if register: Register, _ comparison: Comparison, _ other: Register, to label: Label) {
    jumps.append((instructions.count, label))
    append(BPF_JMP | comparison.code | BPF_X, register, other)
  }
  mutating func call(_ helper: Helper) { append(BPF_JMP | Int32(BPF_CALL), .r0, immediate: helper.rawValue) }
  /// Puts so many bytes of a packet onto the stack, from `r2` on, counted from where its IP header begins. Jumps where it
  /// has fewer.
  mutating func readHeader(of packet: Register, _ count: Int32, to place: Int, orGoTo label: Label) {
    move(.r1, packet)
    move(.r3, .stack)
    change(.r3, .add, Int32(place))
    move(.r4, count)
    move(.r5, Int32(BPF_HDR_START_NET.rawValue))
    call(.loadBytesFromHeader)
    jump(if: .r0, .unequal, 0, to: label)
  }
  mutating func exit() { append(BPF_JMP | Int32(BPF_EXIT), .r0) }

  /// The instructions, with every jump going where it should.
  func linked() -> [bpf_insn] {
    var linked = instructions
    for (instruction, label) in jumps {
      guard let place = places[label] else { preconditionFailure("a jump to nowhere") }
      linked[instruction].off = Int16(place - instruction - 1)
    }
    return linked
  }

  private mutating func append(
    _ code: Int32, _ to: Register, _ from: Register, offset: Int = 0, immediate: Int32 = 0
  ) {
    append(code, to, source: from.rawValue, offset: offset, immediate: immediate)
  }
  private mutating func append(
    _ code: Int32, _ to: Register, source: UInt8 = 0, offset: Int = 0, immediate: Int32 = 0
  ) {
    instructions.append(
      bpf_insn(
        code: UInt8(code), dst_reg: to.rawValue, src_reg: source, off: Int16(offset), imm: immediate))
  }
}
