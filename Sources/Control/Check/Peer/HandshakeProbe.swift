internal import CLiburing
internal import DataPlane
internal import Glibc

/// Asks a server for handshakes from a raw socket (raw(7)), past TUN device and rules: the host is left alone.
///
/// The host's own TCP would answer what comes back with a reset. So a listening socket has the port and a filter
/// that drops everything (`tcp_filter` in net/ipv4/tcp_ipv4.c); the raw socket gets its copy before.
struct HandshakeProbe: ~Copyable {
  enum Outcome: Equatable {
    /// SYN|ACK after so many nanoseconds; whether it looks like guise's or Phantun's.
    case answered(nanoseconds: UInt64, isOfOurKind: Bool)
    case refused
    case silent
    /// The host itself did not let the SYN out.
    case notSent(errno: Int32)
  }

  private let local: Address
  private let remote: Endpoint
  private let raw: Int32

  /// Packets get `mark`, if any, as a gateway's do (SO_MARK of socket(7)). Throws EPERM without CAP_NET_RAW.
  init(to remote: Endpoint, mark: UInt32?) throws(KernelError) {
    let family = remote.address.isIPv4 ? AF_INET : AF_INET6
    let kind = Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    let raw = try KernelError.checkErrno("socket(SOCK_RAW)", socket(family, kind, Int32(IPPROTO_TCP)))
    do throws(KernelError) {
      if let mark {
        try SocketOption.set(raw, SOL_SOCKET, SO_MARK, Int32(bitPattern: mark), "setsockopt(SO_MARK)")
      }
      // The port of a raw socket's address is a protocol to IPv6, which must be none.
      try SocketAddress.connect(raw, to: Endpoint(remote.address, port: 0))
      local = try UDPSocket.localEndpoint(of: raw).address
    } catch {
      close(raw)
      throw error
    }
    self.remote = remote
    self.raw = raw
  }

  deinit { close(raw) }

  /// One attempt from a port of its own, waiting up to `milliseconds`. What was begun is ended by a reset; with
  /// `isCompleted` after the third packet, upon which the server has a flow for a moment.
  func attempt(milliseconds: Int = 1_000, isCompleted: Bool) throws(KernelError) -> Outcome {
    let (guardian, port) = try reservePort()
    defer { close(guardian) }
    var segment = BareSegment(
      sourcePort: port, destinationPort: remote.port, sequence: 0, acknowledgement: 0, flags: .syn)
    let start = guise_now()
    guard send(segment) else { return .notSent(errno: errno) }
    guard let answer = receive(port: port, until: start + UInt64(milliseconds) * 1_000_000) else {
      return .silent
    }
    let elapsed = guise_now() - start
    guard !answer.flags.contains(.rst) else { return .refused }
    segment.sequence = 1
    if isCompleted {
      segment.flags = .ack
      segment.acknowledgement = answer.sequence &+ 1
      _ = send(segment)
    }
    segment.flags = .rst
    segment.acknowledgement = 0
    _ = send(segment)
    return .answered(nanoseconds: elapsed, isOfOurKind: answer.isOfOurKind)
  }

  private func send(_ segment: BareSegment) -> Bool {
    let bytes = segment.bytes(from: local, to: remote.address)
    return unsafe Glibc.send(raw, bytes, bytes.count, 0) == bytes.count
  }

  /// The first segment from the server to `port` that answers a SYN.
  private func receive(port: UInt16, until deadline: UInt64) -> BareSegment? {
    var packet = [UInt8](repeating: 0, count: 2_048)
    while true {
      let now = guise_now()
      guard now < deadline else { return nil }
      var poll = pollfd(fd: raw, events: Int16(POLLIN), revents: 0)
      guard unsafe Glibc.poll(&poll, 1, Int32((deadline - now) / 1_000_000 + 1)) >= 0 || errno == EINTR else {
        return nil
      }
      let count = unsafe recv(raw, &packet, packet.count, Int32(MSG_DONTWAIT))
      guard count > 0 else { continue }
      // IPv4 comes with its header, IPv6 without.
      let start = remote.address.isIPv4 ? Int(packet[0] & 0x0f) * 4 : 0
      guard start < count, let segment = BareSegment(Array(packet[start..<count])),
        segment.sourcePort == remote.port, segment.destinationPort == port,
        segment.flags.contains(.rst) || segment.flags == [.syn, .ack] && segment.acknowledgement == 1
      else { continue }
      return segment
    }
  }

  /// A port that the host's TCP keeps silent about. From a range that a client without connection tracking leaves
  /// to others.
  private func reservePort() throws(KernelError) -> (socket: Int32, port: UInt16) {
    let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    let guardian = try KernelError.checkErrno(
      "socket(SOCK_STREAM)", socket(local.isIPv4 ? AF_INET : AF_INET6, kind, 0))
    do throws(KernelError) {
      try SocketFilter.dropEverything(guardian)
      for _ in 0..<64 {
        let port = UInt16.random(in: Translation.furtherPorts)
        do throws(KernelError) {
          try SocketAddress.bind(guardian, to: Endpoint(local, port: port))
        } catch {
          guard error.errno == EADDRINUSE else { throw error }
          continue
        }
        try KernelError.checkErrno("listen", listen(guardian, 1))
        return (guardian, port)
      }
      throw KernelError("bind", errno: EADDRINUSE)
    } catch {
      close(guardian)
      throw error
    }
  }
}
