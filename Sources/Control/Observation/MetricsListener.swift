internal import DataPlane
internal import Glibc

/// The TCP socket that metrics and page are served on (`--metrics`): bound before anything of the host is changed, or,
/// where a process that is to be replaced has the port, once that has let go of it.
struct MetricsListener: ~Copyable {
  let endpoint: Endpoint
  private var descriptor: Int32 = -1

  /// - Parameters:
  ///   - othersMayLeave: Whether others are replaced beside this process, so that whoever has the port may be about to
  ///     let go of it.
  ///   - predecessor: Where the process that this one replaces serves its own; asked for only if the port is taken.
  init(
    _ address: MetricsAddress, othersMayLeave: Bool = false,
    after predecessor: @autoclosure () -> MetricsAddress?
  ) throws(SetupError) {
    endpoint = address.endpoint
    do throws(SetupError) {
      try bind()
    } catch .metricsRefused(_, EADDRINUSE)
      where othersMayLeave || predecessor()?.endpoint.port == address.endpoint.port
    {
      return
    }
  }

  /// Whether another process has the port, and is to let go of it.
  var isAwaited: Bool { descriptor < 0 }

  /// Binds what is awaited, for up to a second.
  mutating func bindAwaited() throws(SetupError) {
    let isBound = try Patience.wait { () throws(SetupError) in
      do throws(SetupError) {
        try bind()
        return true
      } catch .metricsRefused(_, EADDRINUSE) {
        return false
      }
    }
    if !isBound { throw .metricsRefused(endpoint, errno: EADDRINUSE) }
  }

  mutating func bind() throws(SetupError) {
    let family = endpoint.address.isIPv4 ? AF_INET : AF_INET6
    descriptor = socket(family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw .kernelRefused(KernelError("socket", errno: errno)) }
    var one: Int32 = 1
    unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
    // Only listen(2) tells of those who share the address by SO_REUSEADDR.
    do throws(KernelError) {
      try SocketAddress.bind(descriptor, to: endpoint)
      try KernelError.checkErrno("listen", Glibc.listen(descriptor, 64))
    } catch {
      close(descriptor)
      descriptor = -1
      throw .metricsRefused(endpoint, errno: error.errno)
    }
  }

  var isLoopback: Bool { endpoint.address.isLoopback }

  /// For whoever serves it, and closes it.
  mutating func take() -> Int32 {
    defer { descriptor = -1 }
    return descriptor
  }

  deinit { if descriptor >= 0 { close(descriptor) } }
}
