internal import CLiburing
internal import Glibc

/// What the thread that serves control socket, metrics and page may ask of the kernel: connections that come, and
/// nothing of the file system, of other processes or of the network's set-up.
enum ObserverCalls {
  static let filter = SystemCallFilter(
    rules: connections.map { SystemCallFilter.Rule(call: $0, verdict: .allow) } + RuntimeCalls.rules,
    otherwise: .refuse(EPERM), isLogged: true)

  /// As swift-nio uses them on its selector and sockets.
  private static var connections: [Int32] {
    var calls = [
      SYS_epoll_pwait, SYS_epoll_pwait2, SYS_epoll_ctl, SYS_timerfd_settime, SYS_nanosleep, SYS_listen,
      SYS_accept4, SYS_read, SYS_readv, SYS_recvfrom, SYS_recvmsg, SYS_write, SYS_writev, SYS_sendto,
      SYS_sendmsg, SYS_shutdown, SYS_close, SYS_fcntl, SYS_getsockopt, SYS_setsockopt, SYS_getsockname,
      SYS_getpeername,
    ]
    #if arch(x86_64)
      calls.append(SYS_epoll_wait)
    #endif
    return calls
  }
}
