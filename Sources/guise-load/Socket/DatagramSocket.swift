internal import CLiburing
internal import Glibc
internal import LoadModel

/// A UDP socket with deep queues; closed when the last reference goes.
final class DatagramSocket: Sendable {
  let descriptor: Int32
  let family: Int32

  private static let queueBytes: Int32 = 32 << 20
  private static let sendBufferForce: Int32 = 32
  private static let receiveBufferForce: Int32 = 33
  private static let memoryInformation: Int32 = 55

  /// A socket connected to `remote`, with a port of its own.
  static func connected(to remote: SocketAddress, queueBytes: Int32 = queueBytes) throws(LoadFailure)
    -> DatagramSocket
  {
    let socket = try DatagramSocket(family: remote.family, queueBytes: queueBytes)
    let result = unsafe remote.withSocketAddress { unsafe connect(socket.descriptor, $0, $1) }
    guard result == 0 else {
      throw LoadFailure("connect(\(remote))", errno: errno, remedy: "is there a route to that address?")
    }
    return socket
  }

  /// A socket bound to `local`. `[::]` takes IPv4 as well.
  static func bound(to local: SocketAddress) throws(LoadFailure) -> DatagramSocket {
    let socket = try DatagramSocket(family: local.family, queueBytes: queueBytes)
    let result = unsafe local.withSocketAddress { unsafe bind(socket.descriptor, $0, $1) }
    guard result == 0 else {
      let remedy: String? =
        switch errno {
        case EADDRINUSE: "another program has that port; choose another or stop it (ss -ulpn shows it)"
        case EADDRNOTAVAIL: "this host does not have that address"
        case EACCES: "ports below 1024 need root"
        default: nil
        }
      throw LoadFailure("bind(\(local))", errno: errno, remedy: remedy)
    }
    return socket
  }

  private init(family: Int32, queueBytes: Int32) throws(LoadFailure) {
    self.family = family
    descriptor = socket(family, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else {
      let isLimit = errno == EMFILE || errno == ENFILE
      throw LoadFailure(
        "socket", errno: errno, remedy: isLimit ? "raise the limit (ulimit -n) or take fewer flows" : nil)
    }
    // The plain option is held to net.core.*mem_max, the other needs CAP_NET_ADMIN.
    if !set(SOL_SOCKET, Self.receiveBufferForce, queueBytes) { set(SOL_SOCKET, SO_RCVBUF, queueBytes) }
    if !set(SOL_SOCKET, Self.sendBufferForce, queueBytes) { set(SOL_SOCKET, SO_SNDBUF, queueBytes) }
    if family == AF_INET6 { set(Int32(IPPROTO_IPV6), IPV6_V6ONLY, 0) }
  }

  deinit { close(descriptor) }

  @discardableResult
  private func set(_ level: Int32, _ option: Int32, _ value: Int32) -> Bool {
    var value = value
    return unsafe setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size)) == 0
  }

  /// Bounds how long a blocking call waits, so that it notices when the run is to end.
  func setTimeouts(milliseconds: Int) {
    var time = timeval(tv_sec: milliseconds / 1000, tv_usec: milliseconds % 1000 * 1000)
    let size = socklen_t(MemoryLayout<timeval>.size)
    unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, size)
    unsafe setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &time, size)
  }

  /// Lets the kernel hand over several datagrams of a flow as one message (udp(7), UDP_GRO).
  func enableReceiveOffload() throws(LoadFailure) {
    guard set(Int32(GUISE_SOL_UDP), Int32(GUISE_UDP_GRO), 1) else {
      throw LoadFailure("setsockopt(UDP_GRO)", errno: errno, remedy: "go without --gro (Linux before 5.0)")
    }
  }

  /// Has the kernel say which local address each datagram came to (ip(7), ipv6(7)).
  func enableLocalAddress() throws(LoadFailure) {
    let six = family == AF_INET6
    // IPV6_RECVPKTINFO tells of IPv4 arrivals at a dual-stack socket, too.
    let done =
      six
      ? set(Int32(IPPROTO_IPV6), IPV6_RECVPKTINFO, 1) : set(Int32(IPPROTO_IP), IP_PKTINFO, 1)
    guard done else {
      throw LoadFailure("setsockopt(\(six ? "IPV6_RECVPKTINFO" : "IP_PKTINFO"))", errno: errno)
    }
  }

  /// Datagrams that the kernel dropped because the socket's queue was full (SO_MEMINFO, Linux 4.12).
  var drops: UInt64 {
    var values = InlineArray<9, UInt32>(repeating: 0)
    var size = socklen_t(MemoryLayout.size(ofValue: values))
    guard unsafe getsockopt(descriptor, SOL_SOCKET, Self.memoryInformation, &values, &size) == 0 else {
      return 0
    }
    return UInt64(values[8])
  }

  /// Lifts the soft limit on descriptors to the hard one, for many flows.
  static func raiseDescriptorLimit() {
    var limit = rlimit()
    guard unsafe getrlimit(Int32(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
    limit.rlim_cur = limit.rlim_max
    unsafe setrlimit(Int32(RLIMIT_NOFILE.rawValue), &limit)
  }
}
