internal import CLiburing
internal import DataPlane
internal import Glibc

/// What a worker's thread may ask of the kernel once it runs: nothing but this.
///
/// Anything else fails with EPERM and is an ordinary refusal to the worker, which goes on
/// (docs/decisions/0045-least-privilege.md).
enum WorkerCalls {
  static func filter(_ engine: EngineKind, _ role: Role) -> SystemCallFilter {
    let sockets = role == .server ? flowSockets : []
    let carrying =
      switch engine {
      case .uring: ringCalls
      case .epoll: pollCalls
      }
    return SystemCallFilter(
      rules: carrying.map { SystemCallFilter.Rule(call: $0, verdict: .allow) } + sockets
        + always.map { SystemCallFilter.Rule(call: $0, verdict: .allow) } + [flowFile]
        + RuntimeCalls.rules,
      otherwise: .refuse(EPERM), isLogged: true)
  }

  /// What a ring itself may do is restricted by the engine (`UringEngine.Permitted`).
  private static let ringCalls = [SYS_io_uring_enter, SYS_io_uring_register]

  private static var pollCalls: [Int32] {
    var calls = [
      SYS_epoll_pwait2, SYS_epoll_pwait, SYS_epoll_ctl, SYS_read, SYS_writev, SYS_recvmmsg, SYS_sendmmsg,
    ]
    #if arch(x86_64)
      calls.append(SYS_epoll_wait)
    #endif
    return calls
  }

  /// Wake-ups, and sockets and files that are done with.
  private static let always = [SYS_write, SYS_close]

  /// Room for more flows in the flow file, at its end (`FlowSection.cover`).
  private static let flowFile = SystemCallFilter.Rule(
    call: SYS_fallocate, verdict: .allow, conditions: [.argument(1, is: 0)])

  /// `UDPSocket.connected`: a UDP socket for each flow of a server.
  private static let flowSockets: [SystemCallFilter.Rule] = {
    let socket = SystemCallFilter.Rule(
      call: SYS_socket, verdict: .allow,
      conditions: [
        .argument(0, is: AF_INET, AF_INET6), .argument(1, masked: 0xf, is: SOCK_DGRAM.rawValue),
      ])
    let others = [SYS_bind, SYS_connect, SYS_getsockname].map {
      SystemCallFilter.Rule(call: $0, verdict: .allow)
    }
    return [socket] + others
      + socketOptions.map { level, options in
        SystemCallFilter.Rule(
          call: SYS_setsockopt, verdict: .allow,
          conditions: [
            .argument(1, is: level),
            SystemCallFilter.Condition(argument: 2, values: options.map { UInt32(bitPattern: $0) }),
          ])
      }
  }()

  /// With CAP_NET_ADMIN, others could do more than ask for large buffers.
  private static let socketOptions: [(level: Int32, options: [Int32])] = [
    (SOL_SOCKET, [SO_RCVBUFFORCE, SO_SNDBUFFORCE, SO_RCVBUF, SO_SNDBUF, SO_REUSEPORT]),
    (Int32(GUISE_SOL_UDP), [Int32(GUISE_UDP_GRO)]),
    (Int32(IPPROTO_IP), [Int32(GUISE_IP_BIND_ADDRESS_NO_PORT)]),
    (Int32(IPPROTO_IPV6), [IPV6_V6ONLY]),
  ]
}
