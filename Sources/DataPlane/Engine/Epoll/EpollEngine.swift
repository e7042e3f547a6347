internal import CLiburing
internal import Glibc

/// The engine on epoll, for kernels and containers without io_uring.
///
/// Descriptors are watched edge-triggered: an event says that something came, and the descriptor counts as
/// ready until a call has found it empty. Each turn serves what is ready with a bounded batch each, the TUN
/// queue once and the sockets in a circle, so that none starves; what was not emptied goes on in the next
/// turn, which then does not block. Writes to TUN are issued as they come, sends by one sendmmsg a socket
/// before the next wait.
@safe
struct EpollEngine: Engine, ~Copyable {
  /// Most packets that one turn reads from TUN.
  private static let packetCountMax = 64

  private let resources: EngineResources
  private(set) var now: UInt64 = guise_now()
  private(set) var polled: UInt64 = 0
  /// How many times as much as usual a turn takes.
  private var depth = 1

  private var poller: Poller
  private var sockets: SocketTable
  private var flowSockets: FlowSockets?
  private var received: ReceiveBatch
  private var sends: SendBatch

  /// Sockets to receive from, and how many of them this turn still visits.
  private var ready: ReadyRing
  private var visitsLeft = 0
  /// Whether TUN may have packets, and how many this turn still reads.
  private var tunIsReady = false
  private var packetBudget = BufferBudget()
  private var readsLeft = 0
  /// A buffer that a read found nothing for.
  private var spare: BufferID?
  private var isWoken = false

  /// Trains that the kernel has taken, and those that it refused.
  private var transmitted: TrainList
  private var failures: BoundedQueue<TransmitFailure>
  /// The refused train that the worker is dealing with.
  private var refused: TrainID?
  /// What ends the worker; thrown by the next turn.
  private var fatal: KernelError?

  init(_ resources: EngineResources) throws(KernelError) {
    let flowCountMax = resources.service == nil ? 0 : resources.flowCountMax
    let sockets = try SocketTable(flowCountMax: flowCountMax, listener: resources.listener)
    let ready = try ReadyRing(capacity: sockets.count)
    let received = try ReceiveBatch(hasNames: resources.listener != nil)
    let sends = try SendBatch()
    let transmitted = try TrainList(capacity: Limits.trainCount)
    let failures = try BoundedQueue<TransmitFailure>(capacity: 2 * Limits.trainCount)
    let poller = try Poller()
    try poller.add(resources.tunQueue, Token(.read))
    try poller.add(resources.wakeDescriptor, Token(.wake))
    if let listener = resources.listener {
      try poller.add(listener, Token(.receive, index: DatagramArrival.listener))
    }
    self.resources = resources
    self.poller = poller
    self.sockets = sockets
    flowSockets = resources.flowSockets
    self.received = received
    self.sends = sends
    self.ready = ready
    self.transmitted = transmitted
    self.failures = failures
  }

  // MARK: A turn

  mutating func setDepth(_ factor: Int) { depth = factor }

  mutating func turn(
    _ pace: Pace, until deadline: UInt64, _ buffers: inout BufferPool, _ trains: inout TrainPool
  ) throws(KernelError) {
    if let fatal { throw fatal }
    polled = 0
    retireRefused()
    send()
    finishTransmitted(&buffers, &trains)
    // Asked for even when there is enough to do: it is one call for a whole batch, and the only way to learn
    // of the others' edges.
    let count =
      switch pace {
      case .prompt: try wait(until: deadline, buffers)
      case .resting(let interval): try restAndWait(interval, deadline, buffers)
      case .lingering(let time): try linger(time, buffers)
      case .polling(let time): try pollAndWait(time, deadline, buffers)
      }
    for index in 0..<count { note(poller[index].token, hasError: poller[index].hasError) }
    readsLeft = tunIsReady ? min(Self.packetCountMax &* depth, packetBudget.count(depth: depth)) : 0
    visitsLeft = ready.count &* depth
  }

  /// Rests unless there is enough to do, and waits. Returns how many events there are, as the others do.
  private mutating func restAndWait(
    _ interval: UInt64, _ deadline: UInt64, _ buffers: borrowing BufferPool
  ) throws(KernelError) -> Int {
    if !hasWorkLeft(buffers) { Rest.take(interval, since: now) }
    let asked = guise_now()
    let count = try wait(until: deadline, buffers)
    guard count > 0, now > asked &+ Limits.pauseNanoseconds else { return count }
    Rest.linger(Limits.pauseNanoseconds)
    now = guise_now()
    return count
  }

  /// Sleeps for a while and takes what has come, with what was left over.
  private mutating func linger(_ time: UInt64, _ buffers: borrowing BufferPool) throws(KernelError) -> Int {
    Rest.linger(time)
    return try wait(until: 0, buffers)
  }

  /// Looks for arrivals, and waits when none have come.
  private mutating func pollAndWait(
    _ time: UInt64, _ deadline: UInt64, _ buffers: borrowing BufferPool
  ) throws(KernelError) -> Int {
    let start = guise_now()
    let end = min(start &+ time, deadline)
    var count = 0
    if timeout(until: end, buffers) > 0 {
      repeat { count = try poller.wait(timeout: 0) } while count == 0 && BusyPoll.goesOn(until: end)
    }
    now = guise_now()
    polled = now &- start
    return count > 0 ? count : try wait(until: deadline, buffers)
  }

  private mutating func wait(
    until deadline: UInt64, _ buffers: borrowing BufferPool
  ) throws(KernelError) -> Int {
    let count = try poller.wait(timeout: timeout(until: deadline, buffers))
    now = guise_now()
    return count
  }

  /// Nothing to wait for when there is work left over.
  @inline(__always)
  private func timeout(until deadline: UInt64, _ buffers: borrowing BufferPool) -> UInt64 {
    hasWorkLeft(buffers) ? 0 : Rest.timeLeft(until: deadline)
  }

  /// What has no buffer to go into is not work: waiting for it without blocking would spin until another worker
  /// sends buffers home.
  @inline(__always)
  private func hasWorkLeft(_ buffers: borrowing BufferPool) -> Bool {
    if failures.count > 0 { return true }
    if tunIsReady, spare != nil || buffers.freeCount(of: .packet) > 0 { return true }
    return ready.count > 0 && (received.hasStock || buffers.freeCount(of: .datagram) > 0)
  }

  @inline(__always)
  private mutating func note(_ token: Token, hasError: Bool) {
    switch token.kind {
    case .read: tunIsReady = true
    case .wake: isWoken = true
    case .receive:
      let number = sockets.number(of: token.index)
      // An event of a socket that was closed since says nothing about the one that has its number now.
      guard sockets[number].isOpen, sockets[number].generation == token.generation else { return }
      if hasError { sockets[number].isSuspect = true }
      ready.insert(number)
    default: break
    }
  }

  mutating func flush(_ buffers: inout BufferPool, _ trains: inout TrainPool) {
    send()
    for index in 0..<failures.count {
      guard let train = failures[index].train else { continue }
      trains.finish(train) { buffers.release($0) }
      failures[index].train = nil
    }
    finishTransmitted(&buffers, &trains)
  }

  @inline(__always)
  private mutating func finishTransmitted(_ buffers: inout BufferPool, _ trains: inout TrainPool) {
    while let train = transmitted.popLast() { trains.finish(train) { buffers.release($0) } }
  }

  /// The worker is done with the refused train that it heard of last.
  @inline(__always)
  private mutating func retireRefused() {
    guard let train = refused else { return }
    transmitted.append(train)
    refused = nil
  }

  // MARK: Arrivals

  mutating func nextArrival(_ buffers: inout BufferPool, _ trains: inout TrainPool) -> Arrival? {
    if failures.count > 0, let arrival = nextFailure() { return arrival }
    if isWoken {
      // Not read: every write to an eventfd is an edge, and its counter does not fill up in a lifetime.
      isWoken = false
      return .woken
    }
    while true {
      if let datagrams = received.nextArrival() { return .datagrams(datagrams) }
      if readsLeft > 0, let packet = read(&buffers) { return .packet(packet) }
      guard visitsLeft > 0, ready.count > 0 else { return nil }
      receive(&buffers)
    }
  }

  @inline(never)
  private mutating func nextFailure() -> Arrival? {
    retireRefused()
    guard let failure = failures.popFirst() else { return nil }
    refused = failure.train
    return .transmitFailed(failure.train, failure.direction, errno: failure.errno, parts: failure.parts)
  }

  /// Reads one packet from TUN; nil when there is none, or no buffer, and then this turn asks no more.
  @inline(__always)
  private mutating func read(_ buffers: inout BufferPool) -> PacketArrival? {
    guard let buffer = spare ?? buffers.take(.packet) else {
      readsLeft = 0
      return nil
    }
    let length = unsafe Glibc.read(resources.tunQueue, buffers.base(buffer), Limits.bufferStride)
    guard length > 0 else {
      let reason = length < 0 ? errno : EAGAIN
      spare = buffer
      readsLeft = 0
      switch reason {
      case EAGAIN: tunIsReady = false
      case EINTR: break
      // EBADFD: the device is gone.
      default: fatal = KernelError("read of the TUN queue", errno: reason)
      }
      return nil
    }
    spare = nil
    readsLeft &-= 1
    packetBudget.note(length)
    return PacketArrival(buffer: buffer, length: length)
  }

  /// Receives a batch from the socket whose turn it is.
  @inline(__always)
  private mutating func receive(_ buffers: inout BufferPool) {
    let count = received.stock(from: &buffers)
    guard count > 0 else {
      // The turn has used up all buffers; the sockets keep their places.
      visitsLeft = 0
      return
    }
    visitsLeft &-= 1
    let number = ready.popFirst()
    let socket = sockets[number]
    guard socket.isOpen else { return }
    let result = received.receive(
      socket.descriptor, count: count,
      flow: number == sockets.listener ? DatagramArrival.listener : UInt32(number),
      generation: socket.generation)
    switch result {
    // Fewer came than could: it is empty, and asking again only to hear EAGAIN is saved. Not so behind an
    // error, which ends a batch early.
    case 1..<count where !socket.isSuspect: break
    case Int(-EAGAIN): sockets[number].isSuspect = false
    // More to come, or an error that its being reported has cleared.
    default: ready.insert(number)
    }
  }

  // MARK: Transmitting

  mutating func writePacket(
    _ train: TrainID, _ vectors: UnsafeMutablePointer<iovec>, count: Int, _ trains: inout TrainPool
  ) {
    var written: Int
    repeat {
      written =
        count == 1
        ? unsafe write(resources.tunQueue, vectors[0].iov_base, vectors[0].iov_len)
        : unsafe writev(resources.tunQueue, vectors, Int32(count))
    } while written < 0 && errno == EINTR
    guard written >= 0 else { return fail(entry(train, trains), .uplink, errno) }
    transmitted.append(train)
  }

  mutating func sendDatagrams(
    _ train: TrainID, _ message: UnsafeMutablePointer<msghdr>, flow: UInt32, _ trains: inout TrainPool
  ) {
    let socket = sockets[sockets.number(of: flow)]
    guard socket.isOpen else { return fail(entry(train, trains), .downlink, EBADF) }
    unsafe sends.append(entry(train, trains), message, descriptor: socket.descriptor)
    if sends.isFull { send() }
  }

  /// Sends off what waits, behind what is refused too.
  @inline(__always)
  private mutating func send() {
    while let outcome = sends.sendNext() {
      if outcome.errno != 0 { fail(sends[outcome.first], .downlink, outcome.errno) }
      for index in 0..<outcome.sentCount { transmitted.append(sends[outcome.first &+ index].train) }
    }
  }

  private func entry(_ train: TrainID, _ trains: borrowing TrainPool) -> SendBatch.Entry {
    SendBatch.Entry(train: train, parts: UInt16(trains[train].partCount))
  }

  @inline(never)
  private mutating func fail(_ entry: SendBatch.Entry, _ direction: Direction, _ errno: Int32) {
    // Only a worker that is ending asks for no arrivals for so long.
    guard !failures.isFull else { return transmitted.append(entry.train) }
    failures.append(
      TransmitFailure(train: entry.train, direction: direction, errno: errno, parts: Int(entry.parts)))
  }

  // MARK: Waking others

  mutating func wake(_ worker: Int) { resources.switchboard.wake(worker) }

  // MARK: Flows' sockets

  mutating func openSocket(
    flow: UInt32, generation: UInt16, at local: Endpoint?
  ) throws(KernelError) -> Endpoint {
    let (descriptor, local) = try flowSockets!.open(at: local)
    sockets[Int(flow)] = SocketTable.Entry(descriptor: descriptor, generation: generation)
    do throws(KernelError) {
      try poller.add(descriptor, Token(.receive, index: flow, generation: generation))
    } catch {
      sockets.close(flow: flow)
      throw error
    }
    return local
  }

  mutating func closeSocket(flow: UInt32, generation: UInt16) {
    // What waits for being sent names the descriptor, which the next socket may get.
    send()
    sockets.close(flow: flow)
    flowSockets?.noteClosed()
  }

  mutating func release() {
    for flow in 0..<sockets.listener { sockets.close(flow: UInt32(flow)) }
  }
}
