internal import CLiburing
internal import DataPlane
internal import Glibc
internal import Synchronization

/// Takes datagrams from another thread and writes each to a TUN queue, in turns as a worker's: one call
/// sends off what the last turn queued and waits.
final class BatchingTurns: Contender {
  enum Waiting {
    /// For the first arrival.
    case first
    /// A sleep of the interval, then for the first arrival: two calls.
    case rest
    /// The kernel's own: for `count` arrivals, and after the interval for one (IORING_FEAT_MIN_TIMEOUT,
    /// Linux 6.12).
    case minimum(count: UInt32)
  }

  private static let bufferCount = 256
  private static let intervalMicroseconds: UInt32 = 250

  private var ring: Ring
  private let device: TunDevice
  private let receiver: Int32
  private let endpoint: Endpoint
  private let waiting: Waiting
  private let spacingNanoseconds: UInt64
  private let network: Int
  private let provided: ProvidedBuffers
  private let shape: Region
  private let argument: Region
  private let timeout: Region
  /// Buffers that the last turn's writes have taken from, and this turn's.
  private var written: [BufferID] = []
  private var queued: [BufferID] = []

  /// The sender sends a datagram each `spacingNanoseconds`.
  init(_ waiting: Waiting, spacingNanoseconds: UInt64, on host: TestHost) throws {
    (device, network) = try host.makeTun()
    endpoint = Endpoint(TestHost.loopback, port: host.makePort())
    receiver = try UDPSocket.bound(to: endpoint, reusePort: false, offload: false)
    self.waiting = waiting
    self.spacingNanoseconds = spacingNanoseconds
    let ring = try Ring.owned()
    try ring.registerFiles(count: 2)
    try ring.setFile(receiver, slot: 0)
    try ring.setFile(device.queues[0], slot: 1)
    provided = try ProvidedBuffers(ring, count: Self.bufferCount, stride: Limits.bufferStride)
    shape = try unsafe Region.array(of: msghdr.self, count: 1)
    unsafe shape.bound(to: msghdr.self).pointee.msg_namelen = UInt32(Limits.nameRoom)
    unsafe shape.bound(to: msghdr.self).pointee.msg_controllen = Limits.controlRoom
    argument = try Region.array(of: guise_wait_argument.self, count: 1)
    timeout = try Region.array(of: __kernel_timespec.self, count: 1)
    unsafe timeout.bound(to: __kernel_timespec.self).pointee = __kernel_timespec(tv_sec: 1, tv_nsec: 0)
    unsafe argument.bound(to: guise_wait_argument.self).pointee.timeout = UInt64(
      UInt(bitPattern: timeout.base))
    if case .minimum = waiting {
      guard unsafe ring.ring.pointee.features & UInt32(GUISE_FEAT_MIN_TIMEOUT) != 0 else {
        throw KernelError("IORING_FEAT_MIN_TIMEOUT (Linux 6.12)", errno: ENOSYS)
      }
      unsafe argument.bound(to: guise_wait_argument.self).pointee.min_wait_us = Self.intervalMicroseconds
    }
    self.ring = ring
    written.reserveCapacity(Self.bufferCount)
    queued.reserveCapacity(Self.bufferCount)
    arm()
  }

  deinit {
    close(receiver)
    device.close()
  }

  func run(operations: Int, _ watch: inout Stopwatch) throws -> Outcome {
    let source = try PacedSource(
      count: operations, spacingNanoseconds: spacingNanoseconds, to: endpoint, network: network)
    var arrived = 0
    var turns = 0
    var largest = 0
    var shortages = 0
    var idleTurns = 0
    watch.start()
    while true {
      let before = arrived
      // Asked before the wait: what was sent until then is seen by it.
      let isOver = source.isFinished
      try turn(isLast: isOver)
      turns += 1
      for id in written { provided.give(id) }
      provided.publish()
      written.removeAll(keepingCapacity: true)
      swap(&written, &queued)
      while let completion = ring.nextCompletion() {
        guard completion.token.rawValue == 0 else {
          throw KernelError("write to TUN", errno: -completion.result)
        }
        if !completion.hasMore {
          if completion.result == -ENOBUFS { shortages += 1 }
          arm()
        }
        guard let buffer = completion.buffer else { continue }
        arrived += 1
        write(buffer, length: Int(completion.result) - Limits.headroom)
      }
      largest = max(largest, arrived - before)
      // A receive that had run dry is armed, has buffers and runs again two turns later.
      idleTurns = isOver && arrived == before ? idleTurns + 1 : 0
      if idleTurns == 4 { break }
    }
    watch.stop()
    source.join()
    let lost = Double(operations - arrived) / Double(operations) * 100
    return Outcome(
      operations: max(1, arrived),
      figures: [
        Figure(name: "a turn", value: Double(arrived) / Double(turns)),
        Figure(name: "the largest", value: Double(largest)),
        Figure(name: "ran dry", value: Double(shortages)),
        Figure(name: "lost, %", value: lost),
      ])
  }

  /// Sends off what is queued and waits; the last turns wait for nothing.
  private func turn(isLast: Bool) throws {
    if isLast { return try ring.submitAndWait(timeout: 0) }
    switch waiting {
    case .first: try ring.submitAndWait(timeout: 10_000_000)
    case .rest:
      let end = guise_now() + UInt64(Self.intervalMicroseconds) * 1_000
      try ring.submitAndWait(timeout: 0)
      guise_rest_until(end)
      try ring.submitAndWait(timeout: ring.readyCount > 0 ? 0 : 10_000_000)
    case .minimum(let count):
      unsafe timeout.bound(to: __kernel_timespec.self).pointee = __kernel_timespec(
        tv_sec: 0, tv_nsec: 10_000_000)
      let result = unsafe guise_enter(
        ring.ring, count, IORING_ENTER_GETEVENTS | UInt32(GUISE_ENTER_EXT_ARG), argument.base,
        MemoryLayout<guise_wait_argument>.size)
      guard result >= 0 || [ETIME, EINTR, EBUSY].contains(-result) else {
        throw KernelError("io_uring_enter", errno: -result)
      }
    }
  }

  private func write(_ buffer: BufferID, length: Int) {
    let entry = unsafe ring.entry()
    unsafe io_uring_prep_write(entry, 1, provided.base(buffer) + Limits.headroom, UInt32(length), .max)
    unsafe entry.pointee.flags |= guise_sqe_fixed_file | guise_sqe_cqe_skip_success
    unsafe entry.pointee.user_data = 1
    queued.append(buffer)
  }

  private func arm() {
    let entry = unsafe ring.entry()
    unsafe io_uring_prep_recvmsg_multishot(entry, 0, shape.bound(to: msghdr.self), 0)
    unsafe entry.pointee.buf_group = provided.group
    unsafe entry.pointee.flags |= guise_sqe_buffer_select | guise_sqe_fixed_file
    unsafe entry.pointee.user_data = 0
  }
}

/// A thread that sends packets as datagrams at an even pace, spinning in between.
final class PacedSource {
  private let thread: WorkerThread
  private let state = PacedSourceState()

  init(count: Int, spacingNanoseconds: UInt64, to endpoint: Endpoint, network: Int) throws {
    let state = state
    thread = try WorkerThread(named: "source") { ready in
      Processor.pin(to: .peer)
      do {
        let messages = try MessageBatch(count: 1, length: Packet.headerLength + Packet.payloadLength)
        unsafe Packet.writeHeaders(before: messages.content + Packet.headerLength, parts: 1, network: network)
        let socket = try UDPSocket.connected(to: endpoint, from: nil, offload: false)
        defer { close(socket) }
        ready(nil)
        var time = guise_now()
        for _ in 0..<count {
          while guise_now() < time {}
          // A full buffer is a loss like any other.
          _ = messages.sendSome(to: socket)
          time += spacingNanoseconds
        }
      } catch {
        ready(error as? KernelError)
      }
      state.isFinished.store(true, ordering: .releasing)
    }
    try thread.waitUntilReady()
  }

  var isFinished: Bool { state.isFinished.load(ordering: .acquiring) }

  func join() { thread.join() }
}

private final class PacedSourceState: Sendable {
  let isFinished = Atomic<Bool>(false)
}
