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
    outward = try BPFKernel.load(
      .trafficControl, TranslatorProgram.outward(memory: shared, isMarked: isMarked), "guise_outward")
    inward = try BPFKernel.load(
      .trafficControl,
      TranslatorProgram.inward(memory: shared, checksSource: role == .client, isMarked: isMarked),
      "guise_inward")
  }

  deinit { for program in [outward, inward] where program >= 0 { close(program) } }

  /// Whether the kernel can look up routes from a program without asking for neighbours (Linux 6.3), for packets with a
  /// mark (6.10).
  static func canLookUpRoutes(isMarked: Bool) throws(KernelError) -> Bool {
    let program = try BPFKernel.load(
      .trafficControl, TranslatorProgram.routeProbe(isMarked: isMarked), "guise_probe")
    defer { close(program) }
    return try BPFKernel.run(program, [UInt8](repeating: 0, count: 64)).answer == -EAFNOSUPPORT
  }

  /// Has packets of a family translated by `task` from now on, or left to the kernel where that is nil.
  func set(_ task: TranslatorTask?, _ family: AddressFamily) {
    guard task != tasks[family] else { return }
    memory.set(task, insteadOf: tasks[family], family)
    tasks[family] = task
  }

  subscript(counter: TranslatorMemory.Counter) -> UInt64 { memory[counter] }
}
