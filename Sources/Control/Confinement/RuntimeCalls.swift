internal import CLiburing
internal import Glibc

/// What the C library and Swift's runtime ask of the kernel on any thread that has a list of what it may: clocks, locks,
/// memory, and the way out.
enum RuntimeCalls {
  static let rules = plain.map { SystemCallFilter.Rule(call: $0, verdict: .allow) } + memory

  private static let plain = [
    SYS_futex, SYS_clock_nanosleep, SYS_clock_gettime, SYS_restart_syscall, SYS_rt_sigreturn,
    SYS_rt_sigprocmask, SYS_rt_sigaction, SYS_madvise, SYS_munmap, SYS_mremap, SYS_brk, SYS_getrandom,
    SYS_sched_yield, SYS_getpid, SYS_gettid, SYS_tgkill, SYS_exit, SYS_exit_group,
  ]

  /// None of which will be run as code.
  private static let memory = [SYS_mmap, SYS_mprotect].map {
    SystemCallFilter.Rule(
      call: $0, verdict: .allow, conditions: [.argument(2, masked: UInt32(PROT_EXEC), is: 0)])
  }
}
