internal import CLiburing
internal import Glibc

/// Makes the UDP sockets of a gateway; each is non-blocking and close-on-exec (udp(7)).
///
/// Whoever asks for a socket owns the descriptor. Buffers are asked for by `SO_RCVBUFFORCE` and
/// `SO_SNDBUFFORCE`, and without CAP_NET_ADMIN as large as `net.core.rmem_max` and `wmem_max` permit.
package enum UDPSocket {
  /// Buffers of a socket that all of a worker's flows share, in bytes.
  package static let sharedReceiveBytes = 8 << 20
  private static let sharedSendBytes = 4 << 20

  /// Buffers of a socket that serves one flow, in bytes. A bound on what may wait, not memory taken.
  package static let flowBufferBytes = 2 << 20

  /// A socket that datagrams from anywhere come in on.
  ///
  /// An unspecified address makes the kernel tell with each datagram which local address it came to, so
  /// that the answer can leave from there; `[::]` takes IPv4 as well. With `reusePort` the kernel spreads
  /// senders over all sockets of this user on the same port. With `offload` it may hand up several
  /// datagrams as one (UDP_GRO), where it knows how. With `isShut` it gets nothing before
  /// `SocketFilter.dropNothing`.
  package static func bound(
    to local: Endpoint, reusePort: Bool, offload: Bool, isShut: Bool = false
  ) throws(KernelError) -> Int32 {
    let descriptor = try open(local.address)
    do throws(KernelError) {
      if reusePort { try letOthersShare(descriptor) }
      try prepare(
        descriptor, receiveBytes: sharedReceiveBytes, sendBytes: sharedSendBytes, offload: offload)
      if local.address.isUnspecified {
        try reportDestination(descriptor, isIPv4: local.address.isIPv4)
      }
      if isShut { try SocketFilter.dropEverything(descriptor) }
      try SocketAddress.bind(descriptor, to: local)
      return descriptor
    } catch {
      Glibc.close(descriptor)
      throw error
    }
  }

  /// The socket of one flow: exchanges datagrams with `remote` alone, from a port that the kernel picks unless
  /// one is given.
  ///
  /// `local` pins the address it sends from; otherwise the route decides. Throws EAGAIN from connect when
  /// that address has no port left, or the host when none is given. A given port may still be a dead process's
  /// of the same user that let others share it (`letOthersShare`); else, while it is taken, bind throws
  /// EADDRINUSE.
  package static func connected(
    to remote: Endpoint, from local: Address?, port: UInt16 = 0, offload: Bool,
    bufferBytes: Int = flowBufferBytes
  ) throws(KernelError) -> Int32 {
    let descriptor = try open(remote.address)
    do throws(KernelError) {
      try prepare(descriptor, receiveBytes: bufferBytes, sendBytes: bufferBytes, offload: offload)
      if let local, port != 0 {
        try letOthersShare(descriptor)
        try SocketAddress.bind(descriptor, to: Endpoint(local, port: port))
      } else if let local {
        // The port is connect's to pick, so that there is one answer when none is left.
        try SocketOption.set(
          descriptor, Int32(IPPROTO_IP), Int32(GUISE_IP_BIND_ADDRESS_NO_PORT), 1,
          "setsockopt(IP_BIND_ADDRESS_NO_PORT)")
        try SocketAddress.bind(descriptor, to: Endpoint(local, port: 0))
      }
      try SocketAddress.connect(descriptor, to: remote)
      return descriptor
    } catch {
      Glibc.close(descriptor)
      throw error
    }
  }

  /// Lets other processes of this user bind to the same address and port (SO_REUSEPORT in socket(7)): a
  /// successor must not wait for the kernel to be done with this process. To be called once a port has been
  /// picked, or the kernel would pick those of others.
  package static func letOthersShare(_ descriptor: Int32) throws(KernelError) {
    try SocketOption.set(descriptor, SOL_SOCKET, SO_REUSEPORT, 1, "setsockopt(SO_REUSEPORT)")
  }

  /// Where the socket is bound, as getsockname(2) says.
  package static func localEndpoint(of descriptor: Int32) throws(KernelError) -> Endpoint {
    var storage = sockaddr_in6()
    var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
    let result = unsafe withUnsafeMutablePointer(to: &storage) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe getsockname(descriptor, $0, &length)
      }
    }
    try KernelError.checkErrno("getsockname", result)
    let endpoint = unsafe withUnsafeBytes(of: &storage) {
      unsafe SocketAddress.read($0.baseAddress!, length: Int(length))
    }
    guard let endpoint else { throw KernelError("getsockname", errno: EAFNOSUPPORT) }
    return endpoint
  }

  /// How many bytes of receive buffer a socket gets that asks for `sharedReceiveBytes`; the kernel counts twice as
  /// many as were asked for (socket(7)). nil where there is no socket.
  package static func grantedReceiveBytes() -> Int? {
    guard let descriptor = try? open(.unspecified) else { return nil }
    defer { Glibc.close(descriptor) }
    try? setBuffer(descriptor, force: SO_RCVBUFFORCE, plain: SO_RCVBUF, bytes: sharedReceiveBytes)
    var bytes: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    guard unsafe getsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &bytes, &length) == 0 else { return nil }
    return Int(bytes)
  }

  /// Has a program of the kernel's BPF machine choose which of the sockets that share this one's port gets a datagram,
  /// by its number in the order in which they were bound (SO_ATTACH_REUSEPORT_EBPF in socket(7)).
  package static func letChoose(_ program: Int32, amongSharersOf descriptor: Int32) throws(KernelError) {
    try SocketOption.set(
      descriptor, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, program, "setsockopt(SO_ATTACH_REUSEPORT_EBPF)")
  }

  // MARK: - Steps

  private static func open(_ address: Address) throws(KernelError) -> Int32 {
    let kind = Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    let descriptor = try KernelError.checkErrno(
      "socket(UDP)", socket(address.isIPv4 ? AF_INET : AF_INET6, kind, 0))
    guard !address.isIPv4 else { return descriptor }
    do throws(KernelError) {
      // The system's default (net.ipv6.bindv6only) must not decide whether [::] takes IPv4.
      let only: Int32 = address.isUnspecified ? 0 : 1
      try SocketOption.set(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, only, "setsockopt(IPV6_V6ONLY)")
      return descriptor
    } catch {
      Glibc.close(descriptor)
      throw error
    }
  }

  private static func prepare(
    _ descriptor: Int32, receiveBytes: Int, sendBytes: Int, offload: Bool
  ) throws(KernelError) {
    try setBuffer(descriptor, force: SO_RCVBUFFORCE, plain: SO_RCVBUF, bytes: receiveBytes)
    try setBuffer(descriptor, force: SO_SNDBUFFORCE, plain: SO_SNDBUF, bytes: sendBytes)
    // Kernels before 5.0 refuse: then each datagram is handed up by itself.
    if offload {
      try? SocketOption.set(descriptor, Int32(GUISE_SOL_UDP), Int32(GUISE_UDP_GRO), 1, "setsockopt(UDP_GRO)")
    }
  }

  private static func setBuffer(
    _ descriptor: Int32, force: Int32, plain: Int32, bytes: Int
  ) throws(KernelError) {
    do throws(KernelError) {
      try SocketOption.set(descriptor, SOL_SOCKET, force, Int32(bytes), "setsockopt(SO_*BUFFORCE)")
    } catch {
      try SocketOption.set(descriptor, SOL_SOCKET, plain, Int32(bytes), "setsockopt(SO_*BUF)")
    }
  }

  private static func reportDestination(_ descriptor: Int32, isIPv4: Bool) throws(KernelError) {
    if isIPv4 {
      try SocketOption.set(descriptor, Int32(IPPROTO_IP), IP_PKTINFO, 1, "setsockopt(IP_PKTINFO)")
    } else {
      // A dual-stack socket reports an IPv4 destination with this option too, as a mapped address.
      try SocketOption.set(
        descriptor, Int32(IPPROTO_IPV6), IPV6_RECVPKTINFO, 1, "setsockopt(IPV6_RECVPKTINFO)")
    }
  }
}
