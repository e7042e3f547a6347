internal import CLiburing
internal import DataPlane
internal import Glibc

/// Reads from a TUN queue what the kernel routes to it.
///
/// A batch of datagrams is sent towards the device by the same thread, then read; the watch runs for the
/// reading, and what sending took, wake-ups of waiting reads included, is a figure of its own.
final class PacketReader: Contender {
  enum Operation {
    case readMultishot
    /// So many one-shot reads wait at any time, each with a buffer of its own.
    case read(Int)
    case readv(Int)
    case readFixed(Int)
  }

  private static let bufferCount = 256

  private var ring: Ring
  private let device: TunDevice
  private let socket: Int32
  private let operation: Operation
  private let batch: Int
  private let messages: MessageBatch
  private let provided: ProvidedBuffers
  private let own: Region
  private let vectors: Region

  /// Throws EINVAL or ENOSYS when the kernel lacks the operation.
  init(_ operation: Operation, on host: TestHost, batch: Int) throws {
    let (device, network) = try host.makeTun()
    socket = try UDPSocket.connected(
      to: Endpoint(TestHost.address("10.30.\(network).2"), port: 9), from: nil, offload: false)
    messages = try MessageBatch(count: batch, length: Packet.payloadLength)
    if case .readMultishot = operation {
      try KernelError.checkErrno("fcntl(F_SETFL)", fcntl(device.queues[0], F_SETFL, O_NONBLOCK))
    } else {
      // On a non-blocking descriptor a one-shot read does not wait: it ends with EAGAIN.
      try KernelError.checkErrno("fcntl(F_SETFL)", fcntl(device.queues[0], F_SETFL, 0))
    }
    let ring = try Ring.owned()
    try ring.registerFiles(count: 1)
    try ring.setFile(device.queues[0], slot: 0)
    provided = try ProvidedBuffers(ring, count: Self.bufferCount, stride: Limits.bufferStride)
    own = try Region(byteCount: Self.bufferCount * Limits.bufferStride)
    vectors = try unsafe Region.array(of: iovec.self, count: Self.bufferCount)
    self.ring = ring
    self.device = device
    self.operation = operation
    self.batch = batch
    switch operation {
    case .readMultishot:
      try self.ring.require(Int32(GUISE_OP_READ_MULTISHOT), named: "READ_MULTISHOT (Linux 6.7)")
      arm(0, self.ring)
    case .read(let count), .readv(let count): for index in 0..<count { arm(index, self.ring) }
    case .readFixed(let count):
      try self.ring.registerBuffer(own)
      for index in 0..<count { arm(index, self.ring) }
    }
    self.ring.submit()
  }

  deinit {
    close(socket)
    device.close()
  }

  func run(operations: Int, _ watch: inout Stopwatch) throws -> Outcome {
    let batches = (operations + batch - 1) / batch
    var sending = Stopwatch(.thread)
    for _ in 0..<batches {
      sending.start()
      try messages.send(batch, to: socket)
      sending.stop()
      watch.start()
      try ring.awaitCompletions(batch) { try self.take($0, $1) }
      watch.stop()
    }
    return Outcome(
      operations: batches * batch,
      figures: [
        Figure(name: "sending, ns", value: Double(sending.cpu) / Double(batches * batch))
      ])
  }

  /// Takes a packet, gives its buffer back, and arms what has ended; returns how many packets it was.
  private func take(_ completion: Completion, _ ring: borrowing Ring) throws -> Int {
    if let buffer = completion.buffer {
      provided.give(buffer)
      provided.publish()
    }
    if !completion.hasMore { arm(Int(completion.token.rawValue), ring) }
    if completion.result == -ENOBUFS { return 0 }
    try KernelError.check("read of TUN", completion.result)
    return 1
  }

  private func arm(_ index: Int, _ ring: borrowing Ring) {
    let entry = unsafe ring.entry()
    let base = unsafe own.base + index * Limits.bufferStride
    let length = UInt32(Limits.bufferStride)
    switch operation {
    case .readMultishot: unsafe guise_prep_read_multishot(entry, 0, provided.group)
    case .read: unsafe io_uring_prep_read(entry, 0, base, length, .max)
    case .readv:
      let vector = unsafe vectors.bound(to: iovec.self) + index
      unsafe vector.pointee = iovec(iov_base: base, iov_len: Int(length))
      unsafe io_uring_prep_readv(entry, 0, vector, 1, .max)
    case .readFixed: unsafe io_uring_prep_read_fixed(entry, 0, base, length, .max, 0)
    }
    unsafe entry.pointee.flags |= guise_sqe_fixed_file
    unsafe entry.pointee.user_data = UInt64(index)
  }
}
