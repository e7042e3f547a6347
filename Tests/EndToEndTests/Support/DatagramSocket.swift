import Glibc

/// A datagram, and whom it came from.
struct Arrival: Sendable {
  let bytes: [UInt8]
  let source: SocketName
}

/// A UDP socket of the test's own, in a namespace: the application, or the service.
final class DatagramSocket: Sendable {
  private let descriptor: Int32

  /// A socket that hears what is sent to `endpoint`.
  static func bound(to endpoint: String, in namespace: Namespace) throws -> DatagramSocket {
    let name = try SocketName(endpoint)
    return try DatagramSocket(in: namespace, family: name.family) { descriptor in
      try SystemError.check("bind \(name)", unsafe name.pointer { unsafe bind(descriptor, $0, $1) })
    }
  }

  /// A socket that talks to `endpoint` and hears nobody else.
  static func connected(to endpoint: String, in namespace: Namespace) throws -> DatagramSocket {
    let name = try SocketName(endpoint)
    return try DatagramSocket(in: namespace, family: name.family) { descriptor in
      try SystemError.check("connect \(name)", unsafe name.pointer { unsafe connect(descriptor, $0, $1) })
    }
  }

  private init(
    in namespace: Namespace, family: Int32, _ prepare: @escaping @Sendable (Int32) throws -> Void
  ) throws {
    descriptor = try namespace.inside {
      let kind = Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
      let descriptor = try SystemError.check("socket", socket(family, kind, 0))
      do { try prepare(descriptor) } catch {
        close(descriptor)
        throw error
      }
      return descriptor
    }
  }

  deinit { close(descriptor) }

  /// Sends to the connected peer. Nobody listening there at the moment is no error.
  func send(_ bytes: [UInt8]) throws {
    for _ in 0..<3 {
      if unsafe Glibc.send(descriptor, bytes, bytes.count, 0) >= 0 { return }
      guard errno == ECONNREFUSED || errno == EAGAIN else { throw SystemError("send", errno: errno) }
    }
  }

  /// Sends to anybody, from an unconnected socket.
  func send(_ bytes: [UInt8], to name: SocketName) throws {
    let sent = unsafe name.pointer { unsafe Int32(sendto(descriptor, bytes, bytes.count, 0, $0, $1)) }
    try SystemError.check("sendto \(name)", sent)
  }

  /// The oldest datagram that waits, if any.
  func poll() -> Arrival? {
    var source = SocketName.unset()
    var bytes = [UInt8](repeating: 0, count: 65_536)
    let size = unsafe source.fill { unsafe recvfrom(descriptor, &bytes, 65_536, 0, $0, &$1) }
    guard size >= 0 else { return nil }
    return Arrival(bytes: Array(bytes.prefix(size)), source: source)
  }

  /// The next datagram; throws when none comes within `limit`.
  func next(within limit: Duration = .seconds(2)) async throws -> Arrival {
    try await eventually("a datagram", within: limit) { self.poll() }
  }

  /// Everything that arrives until nothing more came for `quiet`.
  func drain(quiet: Duration = .milliseconds(300)) async throws -> [Arrival] {
    var arrivals: [Arrival] = []
    while let arrival = try? await next(within: quiet) { arrivals.append(arrival) }
    return arrivals
  }

  /// Sends `bytes` again and again until they come back; throws when they do not within `limit`.
  /// Returns how long that took.
  @discardableResult
  func echo(_ bytes: [UInt8], within limit: Duration, every interval: Duration = .milliseconds(20))
    async throws -> Duration
  {
    let clock = ContinuousClock()
    let start = clock.now
    var nextSend = start
    try await until("an echo", within: limit) {
      if clock.now >= nextSend {
        try send(bytes)
        nextSend += interval
      }
      while let arrival = poll() { if arrival.bytes == bytes { return true } }
      return false
    }
    return clock.now - start
  }
}
