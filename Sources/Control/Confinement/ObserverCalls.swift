internal import CLiburing
internal import Glibc

/// What the thread that serves control socket, metrics and page may ask of the kernel: connections that come, and
/// nothing of the file system, of other processes or of the network's set-up.
enum ObserverCalls {
  static let filter = SystemCallFilter(
    rules: (connections + always).map { SystemCallFilter.Rule(call: $0, verdict: .allow) } + memory,
    otherwise: .refuse(EPERM), isLogged: true)

  /// As swift-nio uses them on its selector and sockets.
  private static var connections: [Int32] {
    var calls = [
      SYS_epoll_pwait, SYS_epoll_pwait2, SYS_epoll_ctl, SYS_timerfd_settime, SYS_listen, SYS_accept4,
      SYS_read, SYS_readv,
      SYS_recvfrom, SYS_recvmsg, SYS_write, SYS_writev, SYS_sendto, SYS_sendmsg, SYS_shutdown, SYS_close,
      SYS_fcntl,
      SYS_getsockopt, SYS_setsockopt, SYS_getsockname, SYS_getpeername,
    ]
    #if arch(x86_64)
      calls.append(SYS_epoll_wait)
    #endif
    return calls
  }

  /// Clocks, the C library's locks and memory, and the way out.
  private static let always = [
    SYS_futex, SYS_clock_gettime, SYS_clock_nanosleep, SYS_nanosleep, SYS_restart_syscall, SYS_rt_sigreturn,
    SYS_rt_sigprocmask,
    SYS_rt_sigaction, SYS_madvise, SYS_munmap, SYS_mremap, SYS_brk, SYS_getrandom, SYS_sched_yield,
    SYS_getpid,
    SYS_gettid, SYS_tgkill, SYS_exit, SYS_exit_group,
  ]

  /// Memory, none of which will be run as code.
  private static let memory = [SYS_mmap, SYS_mprotect].map {
    SystemCallFilter.Rule(
      call: $0, verdict: .allow, conditions: [.argument(2, masked: UInt32(PROT_EXEC), is: 0)])
  }
}
