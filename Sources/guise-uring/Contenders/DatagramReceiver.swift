internal import CLiburing
internal import DataPlane
internal import Glibc

/// Receives datagrams on loopback that the same thread has sent; the watch runs for the receiving.
final class DatagramReceiver: Contender {
  enum Operation {
    case recvmsgMultishot
    /// Tells neither the sender's address nor the size of a train's parts.
    case recvMultishot
    /// A batch of one-shot requests, submitted when the datagrams are there already.
    case recvmsg
    case recv
  }

  struct Load {
    /// Datagrams of 1400 bytes that the sender hands over in one train; 1: no train.
    var parts = 1
    /// Whether a train is received as one (UDP_GRO).
    var isMerged = false
    /// Messages that are sent, then received.
    var batch = 32

    /// Messages that arrive for each that was sent.
    var arrivalsPerMessage: Int { isMerged ? 1 : parts }
  }

  private var ring: Ring
  private let operation: Operation
  private let load: Load
  private let receiver: Int32
  private let sender: Int32
  private let messages: MessageBatch
  private let provided: ProvidedBuffers
  private let stride: Int
  private let shape: Region
  private let own: Region
  private let ownMessages: Region
  private let ownVectors: Region
  private let isRead: Bool
  private let bufferCount: Int
  private var next = 0
  private var sum: UInt64 = 0

  /// `bufferCount`, a power of two, and `stride` are the provided ring's; with `isRead` every byte that came is
  /// looked at.
  init(
    _ operation: Operation, _ load: Load, on host: TestHost, bufferCount: Int = 64,
    stride: Int = Limits.bufferStride, isRead: Bool = false
  ) throws {
    let endpoint = Endpoint(TestHost.loopback, port: host.makePort())
    receiver = try UDPSocket.bound(to: endpoint, reusePort: false, offload: load.isMerged)
    sender = try UDPSocket.connected(to: endpoint, from: nil, offload: false)
    messages = try MessageBatch(count: load.batch, length: load.parts * Packet.payloadLength)
    if load.parts > 1 {
      var size = Int32(Packet.payloadLength)
      try KernelError.checkErrno(
        "setsockopt(UDP_SEGMENT)",
        unsafe setsockopt(sender, Int32(GUISE_SOL_UDP), Int32(GUISE_UDP_SEGMENT), &size, 4))
    }
    precondition(bufferCount >= load.batch * load.arrivalsPerMessage)
    let ring = try Ring.owned()
    try ring.registerFiles(count: 1)
    try ring.setFile(receiver, slot: 0)
    provided = try ProvidedBuffers(ring, count: bufferCount, stride: stride)
    shape = try unsafe Region.array(of: msghdr.self, count: 1)
    own = try Region(byteCount: bufferCount * stride)
    ownMessages = try unsafe Region.array(of: msghdr.self, count: bufferCount)
    ownVectors = try unsafe Region.array(of: iovec.self, count: bufferCount)
    self.ring = ring
    self.operation = operation
    self.load = load
    self.stride = stride
    self.isRead = isRead
    self.bufferCount = bufferCount
    unsafe shape.bound(to: msghdr.self).pointee.msg_namelen = UInt32(Limits.nameRoom)
    unsafe shape.bound(to: msghdr.self).pointee.msg_controllen = Limits.controlRoom
    switch operation {
    case .recvmsgMultishot, .recvMultishot: arm(self.ring)
    case .recvmsg, .recv: break
    }
    self.ring.submit()
  }

  deinit {
    close(sender)
    close(receiver)
  }

  func run(operations: Int, _ watch: inout Stopwatch) throws -> Outcome {
    let arrivals = load.batch * load.arrivalsPerMessage
    let batches = (operations + arrivals - 1) / arrivals
    for _ in 0..<batches {
      try messages.send(load.batch, to: sender)
      watch.start()
      switch operation {
      case .recvmsgMultishot, .recvMultishot: break
      case .recvmsg, .recv: for _ in 0..<arrivals { queue() }
      }
      try ring.awaitCompletions(arrivals) { try self.take($0, $1) }
      provided.publish()
      watch.stop()
    }
    return Outcome(operations: batches * arrivals)
  }

  /// Takes a message, gives its buffer back, arms what has ended; returns how many messages it was.
  private func take(_ completion: Completion, _ ring: borrowing Ring) throws -> Int {
    switch operation {
    case .recvmsgMultishot, .recvMultishot:
      if let buffer = completion.buffer {
        if isRead {
          unsafe read(provided.base(buffer) + Limits.headroom, Int(completion.result) - Limits.headroom)
        }
        provided.give(buffer)
      }
      if !completion.hasMore {
        // Armed while there are no buffers, it would end at once.
        provided.publish()
        arm(ring)
        if completion.result == -ENOBUFS { return 0 }
      }
    case .recvmsg, .recv: break
    }
    try KernelError.check("receive", completion.result)
    return 1
  }

  private func read(_ bytes: UnsafeMutableRawPointer, _ count: Int) {
    let words = unsafe bytes.assumingMemoryBound(to: UInt64.self)
    for index in 0..<count / 8 { unsafe sum &+= words[index] }
  }

  private func arm(_ ring: borrowing Ring) {
    let entry = unsafe ring.entry()
    if case .recvmsgMultishot = operation {
      unsafe io_uring_prep_recvmsg_multishot(entry, 0, shape.bound(to: msghdr.self), 0)
    } else {
      unsafe io_uring_prep_recv(entry, 0, nil, 0, 0)
      unsafe entry.pointee.ioprio |= guise_recv_multishot
    }
    unsafe entry.pointee.buf_group = provided.group
    unsafe entry.pointee.flags |= guise_sqe_buffer_select | guise_sqe_fixed_file
  }

  /// Receives into the next buffer of as many as a provided ring would have.
  private func queue() {
    let index = next
    next = (next + 1) % bufferCount
    let entry = unsafe ring.entry()
    let base = unsafe own.base + index * stride
    if case .recv = operation {
      unsafe io_uring_prep_recv(entry, 0, base, stride, 0)
    } else {
      let vector = unsafe ownVectors.bound(to: iovec.self) + index
      unsafe vector.pointee = iovec(iov_base: base + Limits.headroom, iov_len: stride - Limits.headroom)
      let message = unsafe ownMessages.bound(to: msghdr.self) + index
      // Written anew each time: the kernel changes the lengths.
      unsafe message.pointee = msghdr()
      unsafe message.pointee.msg_name = base
      unsafe message.pointee.msg_namelen = UInt32(Limits.nameRoom)
      unsafe message.pointee.msg_control = base + Limits.nameRoom
      unsafe message.pointee.msg_controllen = Limits.controlRoom
      unsafe message.pointee.msg_iov = vector
      unsafe message.pointee.msg_iovlen = 1
      unsafe io_uring_prep_recvmsg(entry, 0, message, 0)
    }
    unsafe entry.pointee.flags |= guise_sqe_fixed_file
  }
}
