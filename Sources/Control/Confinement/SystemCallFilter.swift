internal import CLiburing
internal import DataPlane
internal import Glibc

/// A seccomp filter of the calling thread (seccomp(2)): a list of rules, the first that fits decides.
///
/// Built as a chain of blocks, each of which ends in a verdict or goes on to the next. Calls whose verdict does
/// not depend on arguments are looked up in a bitmap by the kernel (Linux 5.11) and never run the program.
struct SystemCallFilter {
  enum Verdict: Equatable {
    case allow
    /// The call fails with this errno.
    case refuse(Int32)

    fileprivate var action: UInt32 {
      switch self {
      case .allow: UInt32(SECCOMP_RET_ALLOW)
      case .refuse(let errno): UInt32(SECCOMP_RET_ERRNO) | UInt32(errno)
      }
    }
  }

  /// What an argument must be: `argument & mask` is one of `values`. Arguments are compared in their lower 32
  /// bits, which is all that the kernel takes of an int.
  struct Condition {
    let argument: Int
    var mask = UInt32.max
    let values: [UInt32]

    static func argument(_ number: Int, is values: Int32...) -> Condition {
      Condition(argument: number, values: values.map { UInt32(bitPattern: $0) })
    }
    static func argument(_ number: Int, masked mask: UInt32, is value: UInt32) -> Condition {
      Condition(argument: number, mask: mask, values: [value])
    }
  }

  struct Rule {
    let call: Int32
    let verdict: Verdict
    var conditions: [Condition] = []
  }

  let rules: [Rule]
  /// For calls that no rule fits.
  let otherwise: Verdict
  /// Whether a refusal is a surprise.
  let isLogged: Bool

  /// Calls of another architecture have other numbers; nothing here makes any.
  private static let foreign = Verdict.refuse(ENOSYS)
  /// From here on, x86-64 has the calls of x32.
  private static let x32: UInt32 = 0x4000_0000

  /// Offsets into `struct seccomp_data`.
  private static let numberOffset: UInt32 = 0
  private static let architectureOffset: UInt32 = 4
  private static let argumentsOffset: UInt32 = 16

  /// Puts the filter in force for the calling thread, and what it starts from now on, for good.
  ///
  /// Refused calls appear in the audit log when they are worth it (`isLogged`). Nothing foreign runs in this process, so that the filter does not
  /// have to bring mitigations of speculative execution with it (kernels before 5.16).
  func install() throws(KernelError) {
    let program = program
    let flags = UInt32(SECCOMP_FILTER_FLAG_SPEC_ALLOW) | (isLogged ? UInt32(SECCOMP_FILTER_FLAG_LOG) : 0)
    let result = unsafe program.withUnsafeBufferPointer {
      unsafe guise_thread_filter_calls($0.baseAddress!, UInt16($0.count), flags)
    }
    try KernelError.check("seccomp", result)
  }

  /// Whether this kernel has what `install` needs.
  static var isAvailable: Bool { guise_has_filter_action(UInt32(SECCOMP_RET_ERRNO)) == 0 }

  var program: [sock_filter] {
    var program = [
      Self.load(Self.architectureOffset), Self.jump(BPF_JEQ, guise_audit_arch, then: 1, otherwise: 0),
      Self.end(Self.foreign), Self.load(Self.numberOffset),
      Self.jump(BPF_JGE, Self.x32, then: 0, otherwise: 1),
      Self.end(Self.foreign),
    ]
    for rule in rules { program += Self.block(rule) }
    return program + [Self.end(otherwise)]
  }

  private static func block(_ rule: Rule) -> [sock_filter] {
    var body: [sock_filter] = []
    for condition in rule.conditions.reversed() {
      body = test(condition, before: body.count + 1) + body
    }
    body.append(end(rule.verdict))
    // Whoever has looked at arguments puts the number back for the next block.
    if !rule.conditions.isEmpty { body.append(load(numberOffset)) }
    return [jump(BPF_JEQ, UInt32(rule.call), then: 0, otherwise: body.count)] + body
  }

  /// Goes on behind itself where the condition holds, and otherwise past `rest` instructions more.
  private static func test(_ condition: Condition, before rest: Int) -> [sock_filter] {
    var code = [load(argumentsOffset + 8 * UInt32(condition.argument))]
    if condition.mask != .max { code.append(sock_filter(BPF_ALU | BPF_AND | BPF_K, condition.mask)) }
    for (index, value) in condition.values.enumerated() {
      let left = condition.values.count - 1 - index
      code.append(jump(BPF_JEQ, value, then: left, otherwise: left == 0 ? rest : 0))
    }
    return code
  }

  private static func load(_ offset: UInt32) -> sock_filter { sock_filter(BPF_LD | BPF_W | BPF_ABS, offset) }

  private static func jump(_ test: Int32, _ value: UInt32, then: Int, otherwise: Int) -> sock_filter {
    sock_filter(code: UInt16(BPF_JMP | test | BPF_K), jt: UInt8(then), jf: UInt8(otherwise), k: value)
  }

  private static func end(_ verdict: Verdict) -> sock_filter { sock_filter(BPF_RET | BPF_K, verdict.action) }
}

extension sock_filter {
  /// An instruction that does not jump.
  fileprivate init(_ code: Int32, _ operand: UInt32) {
    self.init(code: UInt16(code), jt: 0, jf: 0, k: operand)
  }
}
