internal import CLiburing
internal import DataPlane
internal import Glibc

/// Writes TCP packets to a TUN queue; the kernel routes them to the sink within the call.
///
/// The packets lie in 256 buffers as a worker's do, and are written in turn.
@safe
final class PacketWriter: Contender {
  enum Operation { case write, writeFixed, writev, writevFixed }

  /// What is written: a lone segment, or a train of 46 in one piece or in as many as it has parts.
  enum Load { case segment, train, gatheredTrain }

  /// Who issues what is queued: the owner on entering the kernel, or a kernel thread (SQPOLL), whose
  /// completions the owner sleeps for or spins for.
  enum Issuer { case owner, threadAwaited, threadSpunFor }

  private static let bufferCount = 256
  /// How long a kernel thread that takes submissions spins before it sleeps.
  private static let threadIdleMilliseconds: UInt32 = 10

  private var ring: Ring
  private let device: TunDevice
  private let memory: Region
  private let vectorMemory: Region
  private let vectors: UnsafeMutablePointer<iovec>
  private let operation: Operation
  private let issuer: Issuer
  private let batch: Int
  private let packetCount: Int
  private let piecesPerPacket: Int
  private let intervalNanoseconds: UInt64
  private var next = 0

  /// `batch` packets are submitted at once, with a pause of `intervalNanoseconds` before the next.
  ///
  /// Throws EINVAL when the kernel lacks the operation.
  init(
    _ operation: Operation, _ load: Load, on host: TestHost, batch: Int, issuer: Issuer = .owner,
    intervalNanoseconds: UInt64 = 0
  ) throws {
    let (device, network) = try host.makeTun()
    let isGathered = load == .gatheredTrain
    piecesPerPacket = isGathered ? Packet.trainParts : 1
    packetCount = Self.bufferCount / piecesPerPacket
    let memory = try Region(byteCount: Self.bufferCount * Limits.bufferStride)
    let vectorMemory = try unsafe Region.array(of: iovec.self, count: Self.bufferCount)
    unsafe vectors = vectorMemory.bound(to: iovec.self)
    unsafe memset(memory.base, 0x5a, memory.byteCount)
    let parts = load == .segment ? 1 : Packet.trainParts
    for index in 0..<packetCount * piecesPerPacket {
      let payload = unsafe memory.base + index * Limits.bufferStride + Limits.headroom
      let length = load == .train ? parts * Packet.payloadLength : Packet.payloadLength
      if index % piecesPerPacket == 0 {
        unsafe Packet.writeHeaders(before: payload, parts: parts, network: network)
        unsafe vectors[index] = iovec(
          iov_base: payload - Packet.headerLength, iov_len: Packet.headerLength + length)
      } else {
        unsafe vectors[index] = iovec(iov_base: payload, iov_len: length)
      }
    }
    let ring =
      issuer == .owner ? try Ring.owned() : try Ring.polled(idleMilliseconds: Self.threadIdleMilliseconds)
    try ring.registerFiles(count: 1)
    try ring.setFile(device.queues[0], slot: 0)
    if operation == .writeFixed || operation == .writevFixed { try ring.registerBuffer(memory) }
    if operation == .writevFixed {
      try ring.require(Int32(GUISE_OP_WRITEV_FIXED), named: "WRITEV_FIXED (Linux 6.15)")
    }
    self.device = device
    self.memory = memory
    self.vectorMemory = vectorMemory
    self.ring = ring
    self.operation = operation
    self.issuer = issuer
    self.batch = batch
    self.intervalNanoseconds = intervalNanoseconds
  }

  deinit { device.close() }

  func run(operations: Int, _ watch: inout Stopwatch) throws -> Outcome {
    let batches = (operations + batch - 1) / batch
    watch.start()
    for _ in 0..<batches {
      for _ in 0..<batch { queue() }
      ring.submit()
      switch issuer {
      case .owner:
        // Success posts nothing.
        if let failure = ring.nextCompletion() { throw KernelError("write to TUN", errno: -failure.result) }
      case .threadAwaited, .threadSpunFor:
        try ring.awaitCompletions(batch, isSpinning: issuer == .threadSpunFor) { completion, _ in
          try KernelError.check("write to TUN", completion.result)
          return 1
        }
      }
      if intervalNanoseconds > 0 { guise_rest_until(guise_now() + intervalNanoseconds) }
    }
    watch.stop()
    // The thread is not to spin on into the next contender's time.
    if issuer != .owner { guise_rest_until(guise_now() + UInt64(Self.threadIdleMilliseconds) * 3_000_000) }
    return Outcome(operations: batches * batch)
  }

  private func queue() {
    let entry = unsafe ring.entry()
    let vector = unsafe vectors + next * piecesPerPacket
    let pieces = UInt32(piecesPerPacket)
    switch operation {
    case .write:
      unsafe io_uring_prep_write(entry, 0, vector.pointee.iov_base, UInt32(vector.pointee.iov_len), .max)
    case .writeFixed:
      unsafe io_uring_prep_write_fixed(
        entry, 0, vector.pointee.iov_base, UInt32(vector.pointee.iov_len), .max, 0)
    case .writev: unsafe io_uring_prep_writev(entry, 0, vector, pieces, .max)
    case .writevFixed: unsafe guise_prep_writev_fixed(entry, 0, vector, pieces, 0)
    }
    unsafe entry.pointee.flags |= guise_sqe_fixed_file
    if issuer == .owner { unsafe entry.pointee.flags |= guise_sqe_cqe_skip_success }
    next = (next + 1) % packetCount
  }
}
