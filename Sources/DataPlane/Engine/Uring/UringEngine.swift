internal import CLiburing
internal import Glibc

/// The engine on io_uring.
///
/// Receives are multishot and take provided buffers; writes to TUN and sends complete inline while they are
/// submitted, in order, because all descriptors are non-blocking, and report only failure. So one
/// `io_uring_enter` a turn sends off the last batch, runs the receives and waits.
@safe
struct UringEngine: Engine, ~Copyable {
  /// All that the ring is used for; the kernel refuses the rest (docs/decisions/0045-least-privilege.md).
  private enum Permitted {
    static let operations = [
      IORING_OP_RECVMSG, io_uring_op(rawValue: io_uring_op.RawValue(GUISE_OP_READ_MULTISHOT)),
      IORING_OP_POLL_ADD, IORING_OP_WRITE, IORING_OP_WRITEV, IORING_OP_SENDMSG, IORING_OP_MSG_RING,
      IORING_OP_ASYNC_CANCEL,
    ]
    static let flags = guise_sqe_fixed_file | guise_sqe_buffer_select | guise_sqe_cqe_skip_success
  }

  static let submissionCount = 1_024
  static let completionCount = 4_096

  private(set) var ring: Ring
  private var files: FileTable
  private var datagramBuffers: BufferRing
  private var packetBuffers: BufferRing
  private let resources: EngineResources
  private var waiting = RingWait()

  private let shapes: ReceiveShapes

  /// Trains queued since the last turn, and those that the last turn sent off.
  private var queued: TrainList
  private var inFlight: TrainList
  /// The refused train that the worker is dealing with: not finished before the next turn.
  private var refused: TrainID?
  /// What ends the worker; thrown by the next turn.
  private var fatal: KernelError?

  /// What ended and must be armed again, once buffers are there: receives, by their places in `files`, and the others. A
  /// flow that has closed meanwhile leaves its place behind.
  private var endedReceives: ReadyRing
  private var ended: BoundedQueue<Token>
  private var datagramsAreLow = false
  private var packetsAreLow = false

  /// Server: opens them.
  private var flowSockets: FlowSockets?

  init(_ resources: EngineResources) throws(KernelError) {
    let ring = try Ring(
      submissions: UInt32(Self.submissionCount), completions: UInt32(Self.completionCount), isRestricted: true
    )
    try ring.require(Int32(GUISE_OP_READ_MULTISHOT), named: "READ_MULTISHOT (Linux 6.7)")
    let files = try FileTable(
      flowCountMax: resources.flowCountMax, hasFlowSockets: resources.service != nil)
    try ring.registerFiles(count: UInt32(files.count))
    try ring.setFile(resources.tunQueue, slot: FileTable.tun)
    if let listener = resources.listener { try ring.setFile(listener, slot: FileTable.listener) }
    try ring.setFile(resources.wakeDescriptor, slot: FileTable.wake)
    try ring.require(Int32(IORING_OP_MSG_RING.rawValue), named: "MSG_RING (Linux 5.18)")
    let datagramBuffers = try BufferRing(ring, kind: .datagram, count: Limits.datagramBufferCount)
    let packetBuffers = try BufferRing(ring, kind: .packet, count: Limits.packetBufferCount)
    try ring.enable(Permitted.operations, flags: Permitted.flags)
    let shapes = try ReceiveShapes()
    let queued = try TrainList(capacity: Limits.trainCount)
    let inFlight = try TrainList(capacity: Limits.trainCount)
    let endedReceives = try ReadyRing(capacity: files.placeCount)
    let ended = try BoundedQueue<Token>(capacity: 2)

    self.shapes = shapes
    self.ring = ring
    self.files = files
    self.datagramBuffers = datagramBuffers
    self.packetBuffers = packetBuffers
    self.resources = resources
    self.queued = queued
    self.inFlight = inFlight
    self.endedReceives = endedReceives
    self.ended = ended
    flowSockets = resources.flowSockets

    self.ended.append(Token(.read))
    self.ended.append(Token(.wake))
    if resources.listener != nil {
      self.files.noteOpened(DatagramArrival.listener, generation: 0)
      self.endedReceives.insert(self.files.noteEnded(DatagramArrival.listener))
    }
    resources.switchboard.announceRing(self.ring.descriptor, of: resources.worker)
  }

  // MARK: A turn

  var now: UInt64 { waiting.now }
  var polled: UInt64 { waiting.polled }
  mutating func setDepth(_ factor: Int) {
    guard factor != waiting.depth else { return }
    waiting.depth = factor
    datagramBuffers.setDeep(factor > 1)
    packetBuffers.setDeep(factor > 1)
  }

  mutating func turn(
    _ pace: Pace, until deadline: UInt64, _ buffers: inout BufferPool, _ trains: inout TrainPool
  ) throws(KernelError) {
    if let fatal { throw fatal }
    refused = nil
    finishInFlight(&buffers, &trains)
    swap(&queued, &inFlight)
    if datagramsAreLow || packetsAreLow || waiting.depth > 1 { sendOffInFlight(&buffers, &trains) }
    // A receive that had no buffer left and has some now goes on at once: there is more.
    let goesOn = lend(&buffers)
    // One that waits for buffers which these trains hold hears of nothing: the next turn has them.
    let isStarved = (packetsAreLow || datagramsAreLow) && inFlight.count > 0
    try waiting.turn(ring, goesOn || isStarved ? nil : pace, until: deadline)
    // What the kernel had no memory for: the next turn takes these trains for sent.
    ring.submit()
  }

  mutating func flush(_ buffers: inout BufferPool, _ trains: inout TrainPool) {
    ring.submit()
    finishInFlight(&buffers, &trains)
    swap(&queued, &inFlight)
    finishInFlight(&buffers, &trains)
    lend(&buffers)
  }

  /// Sends off what is queued before receives go on that wait for buffers, or are to take many. Those of its trains, which
  /// the cache still has, are then the next to be received into.
  private mutating func sendOffInFlight(_ buffers: inout BufferPool, _ trains: inout TrainPool) {
    ring.sendOff()
    // What has come may be refusals, whose trains the worker will ask for.
    if ring.readyCount == 0 { finishInFlight(&buffers, &trains) }
  }

  private mutating func finishInFlight(_ buffers: inout BufferPool, _ trains: inout TrainPool) {
    var isRefusedThere = false
    while let train = inFlight.popLast() {
      if train == refused {
        isRefusedThere = true
      } else {
        trains.finish(train) { buffers.release($0) }
      }
    }
    if isRefusedThere, let refused { inFlight.append(refused) }
  }

  /// Lends free buffers, then arms what had ended for want of them, in its order. Returns whether that was so.
  ///
  /// A receive that is armed where there is no buffer for it would end again at once: while the ring is dry, the loop would
  /// spin; and where thousands of sockets have datagrams, each turn would arm them all, for as many datagrams as there are
  /// buffers.
  @discardableResult
  private mutating func lend(_ buffers: inout BufferPool) -> Bool {
    // One receive takes 33 before it lets others have a turn: with fewer, the first would always take them all.
    let isShared = endedReceives.count > 1
    let least = isShared ? Limits.moderationBatchFull + 1 : 0
    datagramBuffers.lend(from: &buffers, depth: waiting.depth, atLeast: least)
    packetBuffers.lend(from: &buffers, depth: waiting.depth)
    var armable = endedReceives.count
    if datagramsAreLow { armable = min(armable, datagramBuffers.lentCount) }
    while armable > 0, endedReceives.count > 0 {
      guard let token = files.takeEnded(endedReceives.popFirst()) else { continue }
      arm(token)
      armable -= 1
    }
    for _ in 0..<ended.count {
      guard let token = ended.popFirst() else { break }
      if token.kind == .read, packetsAreLow, packetBuffers.isDry {
        ended.append(token)
      } else {
        arm(token)
      }
    }
    let goesOn = datagramsAreLow && !datagramBuffers.isDry || packetsAreLow && !packetBuffers.isDry
    if !datagramBuffers.isDry { datagramsAreLow = endedReceives.count > 0 }
    if !packetBuffers.isDry { packetsAreLow = false }
    return goesOn
  }

  // MARK: Arrivals

  mutating func nextArrival(_ buffers: inout BufferPool, _ trains: inout TrainPool) -> Arrival? {
    while let completion = ring.nextCompletion() {
      switch completion.token.kind {
      case .receive: if let arrival = datagrams(completion, &buffers) { return arrival }
      case .read: if let arrival = packet(completion, &buffers) { return arrival }
      case .write: return failure(completion, .uplink, trains)
      case .send: return failure(completion, .downlink, trains)
      case .wake:
        if !completion.hasMore { ended.append(completion.token) }
        return .woken
      case .message: return .woken
      case .messageFailed: resources.switchboard.wake(Int(completion.token.index))
      case .cancel, nil: continue
      }
    }
    return nil
  }

  @inline(__always)
  func prefetchUpcoming(_ buffers: borrowing BufferPool) -> UInt32? {
    guard let completion = ring.completion(ahead: Limits.prefetchDistance) else { return nil }
    if let buffer = completion.buffer {
      // The headers of a packet; of datagrams io_uring_recvmsg_out, the name and the control messages.
      unsafe guise_prefetch(buffers.base(buffer))
      unsafe guise_prefetch(buffers.base(buffer) + 64)
    }
    return completion.token.kind == .receive ? completion.token.index : nil
  }

  @inline(__always)
  private mutating func datagrams(_ completion: Completion, _ buffers: inout BufferPool) -> Arrival? {
    let token = completion.token
    if !completion.hasMore, files.isOpen(token.index, generation: token.generation) {
      if completion.result == -ENOBUFS {
        datagramsAreLow = true
        datagramBuffers.noteShortage()
      }
      endedReceives.insert(files.noteEnded(token.index))
    }
    guard let buffer = completion.buffer else { return nil }
    datagramBuffers.noteFilled(completion.result)
    guard completion.result >= Limits.headroom else {
      buffers.release(buffer)
      return nil
    }
    return unsafe .datagrams(
      ReceiveShapes.arrival(
        at: buffers.base(buffer), size: Int(completion.result), buffer: buffer, token))
  }

  @inline(__always)
  private mutating func packet(_ completion: Completion, _ buffers: inout BufferPool) -> Arrival? {
    if !completion.hasMore {
      switch -completion.result {
      case Int32.min...0, EAGAIN, EINTR, ECANCELED: break
      case ENOBUFS:
        packetsAreLow = true
        packetBuffers.noteShortage()
      // EBADFD: the device is gone. Armed again, the read would end again at once.
      default: fatal = KernelError("read of the TUN queue", errno: -completion.result)
      }
      ended.append(completion.token)
    }
    guard let buffer = completion.buffer else { return nil }
    packetBuffers.noteFilled(completion.result)
    guard completion.result >= 0 else {
      buffers.release(buffer)
      return nil
    }
    return .packet(PacketArrival(buffer: buffer, length: Int(completion.result)))
  }

  private mutating func failure(
    _ completion: Completion, _ direction: Direction, _ trains: borrowing TrainPool
  ) -> Arrival {
    let train = completion.token.train
    let isStale = trains[train].generation != completion.token.generation
    refused = isStale ? nil : train
    return .transmitFailed(
      refused, direction, errno: -completion.result, parts: completion.token.parts)
  }

  // MARK: Receiving

  /// Arms a receive.
  private mutating func arm(_ token: Token) {
    let entry = unsafe ring.entry()
    switch token.kind {
    case .receive:
      unsafe io_uring_prep_recvmsg_multishot(
        entry, FileTable.slot(of: token.index), shapes.message(of: token.index), 0)
      unsafe entry.pointee.buf_group = datagramBuffers.group
      unsafe entry.pointee.flags |= guise_sqe_buffer_select
    case .read: unsafe guise_prep_read_multishot(entry, FileTable.tun, packetBuffers.group)
    default: unsafe io_uring_prep_poll_multishot(entry, FileTable.wake, UInt32(POLLIN))
    }
    unsafe entry.pointee.flags |= guise_sqe_fixed_file
    unsafe entry.pointee.user_data = token.rawValue
  }

  // MARK: Sending

  mutating func writePacket(
    _ train: TrainID, _ vectors: UnsafeMutablePointer<iovec>, count: Int, _ trains: inout TrainPool
  ) {
    let entry = unsafe ring.entry()
    if count == 1 {
      unsafe io_uring_prep_write(
        entry, FileTable.tun, vectors[0].iov_base, UInt32(vectors[0].iov_len), UInt64.max)
    } else {
      unsafe io_uring_prep_writev(entry, FileTable.tun, vectors, UInt32(count), UInt64.max)
    }
    unsafe entry.pointee.flags |= guise_sqe_fixed_file | guise_sqe_cqe_skip_success
    unsafe entry.pointee.user_data = Token(.write, train, trains[train]).rawValue
    queued.append(train)
  }

  mutating func sendDatagrams(
    _ train: TrainID, _ message: UnsafeMutablePointer<msghdr>, flow: UInt32, _ trains: inout TrainPool
  ) {
    let entry = unsafe ring.entry()
    unsafe io_uring_prep_sendmsg(
      entry, FileTable.slot(of: flow), message, UInt32(MSG_DONTWAIT | MSG_NOSIGNAL))
    unsafe entry.pointee.flags |= guise_sqe_fixed_file | guise_sqe_cqe_skip_success
    unsafe entry.pointee.user_data = Token(.send, train, trains[train]).rawValue
    queued.append(train)
  }

  // MARK: Waking others

  /// Queues a message to the other worker's ring: it goes along with what this turn sends off, and costs no
  /// call of its own (docs/decisions/0020-handoff-wake-ups.md).
  mutating func wake(_ worker: Int) {
    let peer = resources.switchboard.ringDescriptor(of: worker)
    guard peer >= 0 else { return resources.switchboard.wake(worker) }
    let entry = unsafe ring.entry()
    unsafe io_uring_prep_msg_ring(entry, peer, 0, Token(.message).rawValue, 0)
    unsafe entry.pointee.flags |= guise_sqe_cqe_skip_success
    unsafe entry.pointee.user_data = Token(.messageFailed, index: UInt32(worker)).rawValue
  }

  // MARK: Flows' sockets

  mutating func openSocket(
    flow: UInt32, generation: UInt16, at local: Endpoint?
  ) throws(KernelError) -> Endpoint {
    let (descriptor, local) = try flowSockets!.open(at: local)
    // The ring's table keeps the socket; the descriptor is not needed, and descriptors are few.
    defer { close(descriptor) }
    try ring.setFile(descriptor, slot: FileTable.slot(of: flow))
    files.noteOpened(flow, generation: generation)
    arm(Token(.receive, index: flow, generation: generation))
    return local
  }

  mutating func closeSocket(flow: UInt32, generation: UInt16) {
    let token = Token(.receive, index: flow, generation: generation)
    let entry = unsafe ring.entry()
    unsafe io_uring_prep_cancel64(entry, token.rawValue, 0)
    unsafe entry.pointee.flags |= guise_sqe_cqe_skip_success
    unsafe entry.pointee.user_data = Token(.cancel).rawValue
    files.noteClosed(flow)
    // The entries queued before this one still name the slot: they must be issued first.
    ring.submit()
    _ = try? ring.setFile(-1, slot: FileTable.slot(of: flow))
    flowSockets?.noteClosed()
  }

  /// What is cancelled holds its socket until the ring's work is run.
  mutating func settle() { try? ring.submitAndWait(timeout: 0) }

  /// The kernel takes a ring apart some 50 ms after its descriptor is closed, with all that it holds.
  mutating func release() {
    let entry = unsafe ring.entry()
    unsafe io_uring_prep_cancel64(entry, 0, Int32(IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_ANY))
    unsafe entry.pointee.user_data = Token(.cancel).rawValue
    // What is cancelled lets go of its file as it completes, some of it after the cancellation itself.
    var isCancelled = false
    for _ in 0..<Self.releaseTurnsMax {
      guard (try? ring.submitAndWait(timeout: isCancelled ? 0 : Self.releaseTurnNanoseconds)) != nil else {
        break
      }
      if isCancelled, ring.readyCount == 0 { break }
      while let completion = ring.nextCompletion() {
        if completion.token.kind == .cancel { isCancelled = true }
      }
    }
    ring.dropFiles(count: files.count)
  }

  private static let releaseTurnsMax = 100
  private static let releaseTurnNanoseconds: UInt64 = 1_000_000
}
