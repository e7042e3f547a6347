internal import CLiburing
internal import DataPlane
internal import Glibc

/// What the kernel does with programs of ours (bpf(2)). Needs CAP_BPF.
enum BPFKernel {
  /// Where a program is for, and so what it may do.
  enum Kind {
    /// The ingress of a device (tc-bpf(8)).
    case trafficControl
    /// A socket, or all that share a port (socket(7)).
    case socket

    fileprivate var code: UInt32 {
      switch self {
      case .trafficControl: BPF_PROG_TYPE_SCHED_CLS.rawValue
      case .socket: BPF_PROG_TYPE_SOCKET_FILTER.rawValue
      }
    }
  }

  /// Has a program verified, and gives its descriptor. Throws EPERM without CAP_BPF.
  static func load(_ kind: Kind, _ code: [bpf_insn], _ name: String) throws(KernelError) -> Int32 {
    // Some of the helpers are for programs that are under the GPL as well.
    let license = "Dual MIT/GPL"
    return try KernelError.check(
      "bpf(BPF_PROG_LOAD)", unsafe guise_bpf_load(kind.code, code, UInt32(code.count), license, name))
  }

  /// Why there is no program, in parentheses, and what helps.
  static func reason(_ refusal: KernelError) -> String {
    "(\(refusal))" + (refusal.errno == EPERM ? ": CAP_BPF lets it" : "")
  }

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
