internal import CLiburing
internal import DataPlane
internal import Glibc

/// Exchanges datagrams of 200 bytes over veth with an echo on another thread; an operation is a round trip.
final class PingPong: Contender {
  enum Link {
    /// As it comes: the sender's call delivers up to the receiver's socket.
    case plain
    /// Received packets go through a NAPI queue, as a network card's do: GRO is on and the other end has no
    /// TSO (`veth_skb_is_eligible_for_gro`).
    case napi
  }

  private static let length = 200

  private var ring: Ring
  private let socket: Int32
  private let echo: Echo
  private let host: TestHost
  private let provided: ProvidedBuffers
  private let payload: Region
  private let link: Link

  /// With `busyPollMicroseconds`, waits poll the network queue first (IORING_REGISTER_NAPI, Linux 6.9).
  init(busyPollMicroseconds: UInt32?, over link: Link, on host: TestHost) throws {
    let far = Endpoint(TestHost.far, port: host.makePort())
    self.link = link
    self.host = host
    echo = try Echo(try host.inFarNetwork { try UDPSocket.bound(to: far, reusePort: false, offload: false) })
    socket = try UDPSocket.connected(to: far, from: nil, offload: false)
    payload = try Region(byteCount: Self.length)
    let ring = try Ring.owned()
    try ring.registerFiles(count: 1)
    try ring.setFile(socket, slot: 0)
    provided = try ProvidedBuffers(ring, count: 64, stride: 2_048)
    if let busyPollMicroseconds {
      try KernelError.check(
        "io_uring_register(NAPI) (Linux 6.9)", unsafe guise_register_napi(ring.ring, busyPollMicroseconds))
    }
    self.ring = ring
    arm()
  }

  deinit {
    echo.stop(through: socket)
    close(socket)
  }

  func run(operations: Int, _ watch: inout Stopwatch) throws -> Outcome {
    try host.setNAPI(link == .napi)
    var times = [Double]()
    times.reserveCapacity(operations)
    watch.start()
    for _ in 0..<operations {
      let begin = guise_now()
      let entry = unsafe ring.entry()
      unsafe io_uring_prep_send(entry, 0, payload.base, Self.length, 0)
      unsafe entry.pointee.flags |= guise_sqe_fixed_file | guise_sqe_cqe_skip_success
      unsafe entry.pointee.user_data = 1
      var isAnswered = false
      while !isAnswered {
        try ring.submitAndWait(timeout: .max)
        while let completion = ring.nextCompletion() {
          try KernelError.check("ping", completion.result)
          if let buffer = completion.buffer {
            provided.give(buffer)
            provided.publish()
            isAnswered = true
          }
          if !completion.hasMore, completion.token.rawValue == 0 { arm() }
        }
      }
      times.append(Double(guise_now() - begin))
    }
    watch.stop()
    return Outcome(
      operations: operations,
      figures: [
        Figure(name: "median round trip, us", value: (Spread(of: times)?.median ?? 0) / 1e3),
        Figure(name: "NAPI id", value: Double(napiID)),
      ])
  }

  /// Of the queue that the last datagram came from; 0 when it was none that can be polled.
  private var napiID: UInt32 {
    let incomingNapiID: Int32 = 56  // SO_INCOMING_NAPI_ID, asm-generic/socket.h
    var id: UInt32 = 0
    var length = socklen_t(4)
    _ = unsafe getsockopt(socket, SOL_SOCKET, incomingNapiID, &id, &length)
    return id
  }

  private func arm() {
    let entry = unsafe ring.entry()
    unsafe io_uring_prep_recv(entry, 0, nil, 0, 0)
    unsafe entry.pointee.ioprio |= guise_recv_multishot
    unsafe entry.pointee.buf_group = provided.group
    unsafe entry.pointee.flags |= guise_sqe_buffer_select | guise_sqe_fixed_file
  }
}

/// A thread that sends back what a socket gets, until that is a single byte.
final class Echo {
  private let thread: WorkerThread

  /// Owns the socket from now on.
  init(_ socket: Int32) throws {
    thread = try WorkerThread(named: "echo") { ready in
      Processor.pin(to: .peer)
      ready(nil)
      defer { close(socket) }
      var bytes = [UInt8](repeating: 0, count: 2_048)
      var address = sockaddr_in()
      while true {
        var poll = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        _ = unsafe Glibc.poll(&poll, 1, -1)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let count = unsafe withUnsafeMutablePointer(to: &address) {
          unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            unsafe recvfrom(socket, &bytes, bytes.count, 0, $0, &length)
          }
        }
        guard count != 1 else { return }
        guard count > 0 else { continue }
        _ = unsafe withUnsafePointer(to: &address) {
          unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            unsafe sendto(socket, bytes, count, 0, $0, length)
          }
        }
      }
    }
    try thread.waitUntilReady()
  }

  /// Ends the thread by a datagram through a socket that is connected to it.
  func stop(through socket: Int32) {
    unsafe send(socket, [0], 1, 0)
    thread.join()
  }
}
