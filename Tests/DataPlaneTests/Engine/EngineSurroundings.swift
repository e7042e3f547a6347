import CLiburing
import Glibc

@testable import DataPlane

/// What lies around an engine under test: a pair of sockets in place of the TUN queue, and UDP over loopback.
///
/// SOCK_SEQPACKET keeps packets apart and refuses with EAGAIN when too many wait. The test holds `link`, the
/// kernel's side of the TUN queue, and `service`, where a server's flows are connected to.
final class EngineSurroundings {
  static let loopback = Address("127.0.0.1")!

  let resources: EngineResources
  let link: Int32
  /// Client: who sends to the listener. Server: the service.
  private(set) var peer: Int32
  let peerEndpoint: Endpoint
  /// Client: where the listener is bound.
  let listenerEndpoint: Endpoint?

  /// The switchboard, unless it is another's.
  private let ownSwitchboard: Switchboard?

  /// A descriptor that is given takes the place of the one made here, and is owned from here on. With a
  /// switchboard of others, the engine is worker 1 on it; otherwise it is worker 0 on its own.
  init(
    _ role: Role, flowCountMax: Int, tunQueue: Int32?, listener given: Int32?, switchboard: Switchboard?
  ) throws {
    ownSwitchboard = switchboard == nil ? try Switchboard(workerCount: 2) : nil
    let pair = try Self.pair(SOCK_SEQPACKET)
    link = pair.1
    // For more packets than an engine has buffers for; without the privilege there is less.
    try? SocketOption.set(link, SOL_SOCKET, SO_SNDBUFFORCE, 4 * 1024 * 1024, "setsockopt(SO_SNDBUFFORCE)")
    if tunQueue != nil { close(pair.0) }
    peer = try Self.bind(port: 0)
    peerEndpoint = try UDPSocket.localEndpoint(of: peer)
    let listener = role == .client ? try given ?? Self.bind(port: 0) : nil
    listenerEndpoint = given == nil ? try listener.map { try UDPSocket.localEndpoint(of: $0) } : nil
    resources = EngineResources(
      tunQueue: tunQueue ?? pair.0, listener: listener,
      worker: switchboard == nil ? 0 : 1, switchboard: switchboard ?? ownSwitchboard!,
      service: role == .server ? peerEndpoint : nil, offload: true, flowCountMax: flowCountMax)
  }

  deinit {
    for descriptor in [resources.tunQueue, link, peer] { close(descriptor) }
    ownSwitchboard?.deallocate()
    if let listener = resources.listener { close(listener) }
  }

  private static func bind(port: UInt16) throws(KernelError) -> Int32 {
    try UDPSocket.bound(to: Endpoint(loopback, port: port), reusePort: false, offload: false)
  }

  /// Two connected sockets of this host alone.
  static func pair(_ kind: __socket_type) throws(KernelError) -> (Int32, Int32) {
    var pair: (Int32, Int32) = (-1, -1)
    let flags = Int32(kind.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    let result = unsafe withUnsafeMutableBytes(of: &pair) {
      unsafe socketpair(AF_UNIX, flags, 0, $0.baseAddress!.assumingMemoryBound(to: Int32.self))
    }
    try KernelError.checkErrno("socketpair", result)
    return pair
  }

  /// Makes the service go away and come back on the same port, with `during` in between.
  func restartPeer(_ during: () throws -> Void) throws {
    close(peer)
    try during()
    peer = try Self.bind(port: peerEndpoint.port)
  }

  /// Lets so many bytes wait at the listener, as root may.
  func makeRoom(_ byteCount: Int32) throws(KernelError) {
    var byteCount = byteCount
    try KernelError.checkErrno(
      "setsockopt(SO_RCVBUFFORCE)",
      unsafe setsockopt(resources.listener ?? -1, SOL_SOCKET, SO_RCVBUFFORCE, &byteCount, 4))
  }

  func wake() { resources.switchboard.wake(resources.worker) }

  // The other side's traffic.

  /// Hands a packet to the engine's side of the TUN queue; false when there is no room.
  @discardableResult
  func sendPacket(_ bytes: [UInt8]) -> Bool { unsafe send(link, bytes, bytes.count, 0) == bytes.count }

  /// The next packet that the engine wrote.
  func receivePacket() -> [UInt8]? { Self.receive(link)?.bytes }

  /// Sends a datagram, or several of `partSize` bytes in one call (UDP_SEGMENT).
  func sendDatagrams(_ bytes: [UInt8], partSize: UInt16? = nil, to destination: Endpoint) {
    let result = unsafe bytes.withUnsafeBytes { payload in
      let memory = UnsafeMutableRawPointer.allocate(byteCount: 128, alignment: 16)
      defer { unsafe memory.deallocate() }
      var vector = unsafe iovec(
        iov_base: UnsafeMutableRawPointer(mutating: payload.baseAddress), iov_len: payload.count)
      var message = unsafe msghdr()
      unsafe message.msg_name = memory
      unsafe message.msg_namelen = SocketAddress.write(destination, to: memory)
      if let partSize {
        unsafe message.msg_control = memory + 64
        unsafe message.msg_controllen = guise_put_segment_size(memory + 64, 0, partSize)
      }
      return unsafe withUnsafeMutablePointer(to: &vector) {
        unsafe message.msg_iov = $0
        unsafe message.msg_iovlen = 1
        return unsafe sendmsg(peer, &message, 0)
      }
    }
    precondition(result == bytes.count, "the test's own datagram was refused, errno \(errno)")
  }

  /// The next datagram at the peer, and who sent it.
  func receiveDatagram() -> (bytes: [UInt8], source: Endpoint?)? { Self.receive(peer) }

  private static func receive(_ descriptor: Int32) -> (bytes: [UInt8], source: Endpoint?)? {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: 70_000, alignment: 16)
    defer { unsafe memory.deallocate() }
    var name = sockaddr_in6()
    var nameLength = socklen_t(MemoryLayout<sockaddr_in6>.size)
    let (count, source) = unsafe withUnsafeMutablePointer(to: &name) { name in
      let count = unsafe name.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe recvfrom(descriptor, memory, 70_000, 0, $0, &nameLength)
      }
      return unsafe (count, SocketAddress.read(name, length: Int(nameLength)))
    }
    guard count >= 0 else { return nil }
    return unsafe (Array(UnsafeRawBufferPointer(start: memory, count: count)), source)
  }
}
