internal import CLiburing
internal import DataPlane
internal import Glibc

/// The two programs, in the kernel but attached to nothing, and the memory that they translate by.
final class TranslatorPrograms {
  private let memory: TranslatorMemory
  /// What each family's packets are translated by now.
  private var tasks: [AddressFamily: TranslatorTask] = [:]
  private(set) var outward: Int32 = -1
  private(set) var inward: Int32 = -1

  /// Has the kernel verify the programs. Throws EPERM without CAP_BPF.
  init(_ role: Role, isMarked: Bool) throws(KernelError) {
    memory = try TranslatorMemory()
    let shared = memory.descriptor
    outward = try Self.load(TranslatorProgram.outward(memory: shared, isMarked: isMarked), "guise_outward")
    inward = try Self.load(
      TranslatorProgram.inward(memory: shared, checksSource: role == .client, isMarked: isMarked),
      "guise_inward")
  }

  deinit { for program in [outward, inward] where program >= 0 { close(program) } }

  /// Whether the kernel can look up routes from a program without asking for neighbours (Linux 6.3), for packets with a
  /// mark (6.10).
  static func canLookUpRoutes(isMarked: Bool) throws(KernelError) -> Bool {
    let program = try load(TranslatorProgram.routeProbe(isMarked: isMarked), "guise_probe")
    defer { close(program) }
    return try run(program, [UInt8](repeating: 0, count: 64)).answer == -EAFNOSUPPORT
  }

  private static func load(_ code: [bpf_insn], _ name: String) throws(KernelError) -> Int32 {
    // Some of the helpers are for programs that are under the GPL as well.
    let license = "Dual MIT/GPL"
    return try KernelError.check(
      "bpf(BPF_PROG_LOAD)", unsafe guise_bpf_load(code, UInt32(code.count), license, name))
  }

  /// Has packets of a family translated by `task` from now on, or left to the kernel where that is nil.
  func set(_ task: TranslatorTask?, _ family: AddressFamily) {
    guard task != tasks[family] else { return }
    memory.set(task, insteadOf: tasks[family], family)
    tasks[family] = task
  }

  subscript(counter: TranslatorMemory.Counter) -> UInt64 { memory[counter] }

  /// Runs a program for a packet that begins with its Ethernet header, and gives what it returned and what became of
  /// the packet.
  static func run(_ program: Int32, _ packet: [UInt8]) throws(KernelError) -> (answer: Int32, packet: [UInt8])
  {
    var out = [UInt8](repeating: 0, count: packet.count + 64)
    var count = UInt32(out.count)
    var answer: Int32 = 0
    try KernelError.check(
      "bpf(BPF_PROG_TEST_RUN)",
      unsafe guise_bpf_try(program, packet, UInt32(packet.count), &out, &count, &answer))
    return (answer, Array(out.prefix(Int(count))))
  }
}
