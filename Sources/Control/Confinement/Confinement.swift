internal import CLiburing
internal import DataPlane
internal import Glibc
internal import Logging

/// What is left of this process's privileges once everything is set up (docs/decisions/0045-least-privilege.md).
///
/// User, capabilities and filters are a thread's own, and each of our threads confines itself when it has what it
/// needs: a worker before it carries its first packet, the main thread when all workers are there. Threads and
/// programs started after that inherit it.
struct Confinement: Equatable, Sendable {
  /// nil: the process stays who it is.
  let account: Account?
  let filtersCalls: Bool

  /// What there is to confine.
  enum Part: Equatable, Sendable {
    /// Follows the host's addresses and undoes the set-up at the end, by sysctls, `ip` and `nft`.
    case supervisor
    case worker(EngineKind, Role)
    /// Serves control socket, metrics and page; started by the supervisor, with all that is forbidden to that.
    case observer

    /// The capabilities that it keeps, as a mask.
    var capabilities: UInt64 {
      switch self {
      case .supervisor: CapabilityMask.networkAdministration
      // The buffers of its flows' sockets may be larger than net.core.rmem_max.
      case .worker(_, .server): CapabilityMask.networkAdministration
      case .worker(_, .client), .observer: 0
      }
    }

    /// Those that the programs have that it runs.
    var inheritable: UInt64 { self == .supervisor ? capabilities : 0 }

    var filter: SystemCallFilter {
      switch self {
      case .supervisor: SupervisorCalls.filter
      case .worker(let engine, let role): WorkerCalls.filter(engine, role)
      case .observer: ObserverCalls.filter
      }
    }
  }

  /// Decides before anything is changed; throws where what was asked for cannot be had.
  static func choose(
    _ configuration: GatewayConfiguration, _ privileges: Privileges, _ log: Logger,
    canFilter: Bool = SystemCallFilter.isAvailable
  ) throws(SetupError) -> Confinement {
    let account = try account(configuration.user, privileges, log)
    if configuration.filtersCalls, !canFilter {
      log.notice("this kernel has no filters for system calls (CONFIG_SECCOMP_FILTER): going on without")
    }
    return Confinement(account: account, filtersCalls: configuration.filtersCalls && canFilter)
  }

  private static func account(
    _ asked: String?, _ privileges: Privileges, _ log: Logger
  ) throws(SetupError) -> Account? {
    guard let asked else {
      guard privileges.isRoot else { return nil }
      guard privileges.canChangeUser else {
        log.notice("this process stays root, with few capabilities: CAP_SETUID and CAP_SETGID are missing")
        return nil
      }
      return .usual()
    }
    guard let account = Account(asked) else { throw .userUnknown(asked) }
    if account.user == geteuid() { return nil }
    guard privileges.canChangeUser else { throw .userNotPermitted(asked) }
    return account
  }

  /// Confines the calling thread, for good.
  func apply(to part: Part) throws(KernelError) {
    // Only who has CAP_SETPCAP can; whoever has not is kept from new privileges below.
    var capability: Int32 = 0
    while true {
      if CapabilityMask.networkAdministration & 1 << UInt64(capability) == 0,
        guise_thread_forbid_capability(capability) < 0
      {
        break
      }
      capability += 1
    }
    if let account {
      try KernelError.check("prctl(PR_SET_KEEPCAPS)", guise_thread_keep_capabilities())
      try KernelError.check(
        "setresuid(\(account.user)), setresgid(\(account.group))",
        guise_thread_become(account.user, account.group))
    }
    try KernelError.check("prctl(PR_SET_NO_NEW_PRIVS)", guise_thread_refuse_new_privileges())
    try narrow(to: part)
  }

  /// Confines the calling thread further than the one that started it, whose user it has already.
  func narrow(to part: Part) throws(KernelError) {
    try KernelError.check("capset", guise_thread_set_capabilities(part.capabilities, part.inheritable))
    try KernelError.check("prctl(PR_CAP_AMBIENT_CLEAR_ALL)", guise_thread_clear_ambient())
    if part.inheritable != 0 {
      try KernelError.check("prctl(PR_CAP_AMBIENT_RAISE)", guise_thread_raise_ambient(CAP_NET_ADMIN))
    }
    if filtersCalls { try part.filter.install() }
  }

  /// Who may ask the gateway how it is: root and its user, and that user's group if it is one of guise's own.
  var controlSocketMode: mode_t {
    guard let account, account.name != Account.usualNames.last, account.user != Account.root else {
      return 0o600
    }
    return 0o660
  }

  /// How the names of refusals begin.
  static let operations = ["prctl(PR_", "setresuid", "capset", "seccomp"]

  /// For the log.
  var summary: String {
    let user = account.map { "user \($0.name)" } ?? "the user who started it"
    return "runs as \(user) with no capability but CAP_NET_ADMIN, system calls "
      + (filtersCalls ? "filtered" : "not filtered")
  }
}

/// Capabilities by their bit (linux/capability.h).
enum CapabilityMask {
  static let networkAdministration: UInt64 = 1 << UInt64(CAP_NET_ADMIN)
  static let lockedMemory: UInt64 = 1 << UInt64(CAP_IPC_LOCK)
  static let userAndGroup: UInt64 = 1 << UInt64(CAP_SETUID) | 1 << UInt64(CAP_SETGID)
}
