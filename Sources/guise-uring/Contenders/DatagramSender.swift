internal import CLiburing
internal import DataPlane
internal import Glibc

/// Sends datagrams, or trains that the kernel cuts (UDP_SEGMENT), from a connected socket.
final class DatagramSender: Contender {
  enum Operation { case send, sendmsg, sendZeroCopy, sendZeroCopyFixed }

  /// Where to: a device that frees what it gets, or a socket in the second namespace.
  enum Target { case sink, peer }

  private static let bufferCount = 256

  private var ring: Ring
  private let socket: Int32
  private let receiver: Int32?
  private let discarded: MessageBatch
  private let memory: Region
  private let messages: Region
  private let control: Region
  private let vectors: Region
  private let operation: Operation
  private let batch: Int
  private let length: Int
  private var next = 0

  /// `parts` of 1400 bytes a send. Throws EINVAL or ENOSYS when the kernel lacks the operation.
  init(_ operation: Operation, parts: Int, to target: Target, on host: TestHost, batch: Int) throws {
    let port = host.makePort()
    let remote = Endpoint(target == .sink ? TestHost.sink : TestHost.far, port: port)
    receiver =
      target == .sink
      ? nil : try host.inFarNetwork { try UDPSocket.bound(to: remote, reusePort: false, offload: true) }
    discarded = try MessageBatch(count: 64, length: 0)
    socket = try UDPSocket.connected(to: remote, from: nil, offload: false)
    length = parts * Packet.payloadLength
    self.operation = operation
    self.batch = batch
    memory = try Region(byteCount: Self.bufferCount * Limits.bufferStride)
    unsafe memset(memory.base, 0x5a, memory.byteCount)
    messages = try unsafe Region.array(of: msghdr.self, count: Self.bufferCount)
    control = try Region(byteCount: Self.bufferCount * 64)
    let vectors = try unsafe Region.array(of: iovec.self, count: Self.bufferCount)
    for index in 0..<Self.bufferCount {
      let vector = unsafe vectors.bound(to: iovec.self) + index
      unsafe vector.pointee = iovec(
        iov_base: memory.base + index * Limits.bufferStride + Limits.headroom, iov_len: length)
      let message = unsafe messages.bound(to: msghdr.self) + index
      unsafe message.pointee.msg_iov = vector
      unsafe message.pointee.msg_iovlen = 1
      if parts > 1, operation == .sendmsg {
        // As the gateway does; the other operations have no place for it.
        let area = unsafe control.base + index * 64
        unsafe message.pointee.msg_control = area
        unsafe message.pointee.msg_controllen = guise_put_segment_size(area, 0, UInt16(Packet.payloadLength))
      }
    }
    self.vectors = vectors
    ring = try Ring.owned()
    try ring.registerFiles(count: 1)
    try ring.setFile(socket, slot: 0)
    if parts > 1, operation != .sendmsg {
      var size = Int32(Packet.payloadLength)
      try KernelError.checkErrno(
        "setsockopt(UDP_SEGMENT)",
        unsafe setsockopt(socket, Int32(GUISE_SOL_UDP), Int32(GUISE_UDP_SEGMENT), &size, 4))
    }
    switch operation {
    case .send, .sendmsg: break
    case .sendZeroCopy: try ring.require(Int32(IORING_OP_SEND_ZC.rawValue), named: "SEND_ZC (Linux 6.0)")
    case .sendZeroCopyFixed: try ring.registerBuffer(memory)
    }
  }

  deinit {
    close(socket)
    if let receiver { close(receiver) }
  }

  private var isZeroCopy: Bool { operation == .sendZeroCopy || operation == .sendZeroCopyFixed }

  func run(operations: Int, _ watch: inout Stopwatch) throws -> Outcome {
    let batches = (operations + batch - 1) / batch
    for _ in 0..<batches {
      watch.start()
      for _ in 0..<batch { queue() }
      if isZeroCopy {
        // A buffer is free again when the notification is there.
        try ring.awaitCompletions(batch) { completion, _ in
          if completion.flags & UInt32(IORING_CQE_F_NOTIF) != 0 { return 1 }
          try KernelError.check("send", completion.result)
          return completion.hasMore ? 0 : 1
        }
      } else {
        ring.submit()
        // Success posts nothing.
        if let failure = ring.nextCompletion() { throw KernelError("send", errno: -failure.result) }
      }
      watch.stop()
      if let receiver { discarded.discard(from: receiver) }
    }
    return Outcome(operations: batches * batch)
  }

  private func queue() {
    let entry = unsafe ring.entry()
    let base = unsafe memory.base + next * Limits.bufferStride + Limits.headroom
    let flags = MSG_DONTWAIT
    switch operation {
    case .send: unsafe io_uring_prep_send(entry, 0, base, length, Int32(flags))
    case .sendmsg:
      unsafe io_uring_prep_sendmsg(entry, 0, messages.bound(to: msghdr.self) + next, UInt32(flags))
    case .sendZeroCopy: unsafe io_uring_prep_send_zc(entry, 0, base, length, Int32(flags), 0)
    case .sendZeroCopyFixed:
      unsafe io_uring_prep_send_zc_fixed(entry, 0, base, length, Int32(flags), 0, 0)
    }
    unsafe entry.pointee.flags |= guise_sqe_fixed_file
    if !isZeroCopy { unsafe entry.pointee.flags |= guise_sqe_cqe_skip_success }
    next = (next + 1) % Self.bufferCount
  }
}
