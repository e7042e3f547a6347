internal import CLiburing
internal import DataPlane
internal import Glibc
internal import Synchronization

/// How one thread wakes another.
enum WakeWay: String, CaseIterable, Sendable {
  /// eventfd_write(3), the other waits in epoll_wait(2).
  case eventfdToEpoll = "eventfd to epoll"
  /// eventfd_write(3), the other waits in io_uring_enter(2) with a multishot poll on the eventfd.
  case eventfdToRing = "eventfd to io_uring"
  /// IORING_OP_MSG_RING from ring to ring.
  case messageToRing = "MSG_RING to io_uring"
}

/// How long it takes until a sleeping thread runs, and what that costs whoever woke it.
enum WakeMeasurement {
  /// What one run measured, nanoseconds each.
  struct Outcome {
    var latencies: [UInt64]
    var senderCosts: [UInt64]
  }

  /// How long the sender leaves the other thread to go back to sleep.
  private static let pauseNanoseconds: UInt64 = 100_000
  private static let stopSign = UInt64.max

  static func run(_ way: WakeWay, on cpus: CorePair, count: Int) throws(KernelError) -> Outcome {
    let stage = Stage()
    try PinnedThreads.run(
      on: cpus,
      { () throws(KernelError) in
        var sleeper = try Sleeper(way)
        stage.announce(sleeper.address)
        while true {
          try sleeper.wait()
          let woken = guise_now()
          let sent = stage.sentAt.load(ordering: .acquiring)
          // A wait may end by itself; what counts is that something was sent since.
          guard sent > stage.latencies.withLock({ $0.lastSent }) else { continue }
          if sent == stopSign { return }
          stage.latencies.withLock { $0.add(woken - sent, sent: sent) }
        }
      },
      { () throws(KernelError) in
        let waker = try Waker(way, stage.awaitAddress())
        var costs: [UInt64] = []
        costs.reserveCapacity(count)
        for _ in 0..<count {
          guise_rest_until(guise_now() + pauseNanoseconds)
          let start = guise_now()
          stage.sentAt.store(start, ordering: .releasing)
          waker.wake()
          costs.append(guise_now() - start)
        }
        guise_rest_until(guise_now() + pauseNanoseconds)
        stage.sentAt.store(stopSign, ordering: .releasing)
        waker.wake()
        stage.costs.withLock { [costs] in $0 = costs }
      })
    return Outcome(
      latencies: stage.latencies.withLock { $0.values }, senderCosts: stage.costs.withLock { $0 })
  }

  /// What io_uring_enter(2) costs with one NOP to submit, nanoseconds: the median of `count`.
  static func bareCall(on cpus: CorePair, count: Int) throws(KernelError) -> UInt64 {
    let ring = try BareRing()
    guise_pin_thread(cpus.first)
    var costs: [UInt64] = []
    for _ in 0..<count {
      let start = guise_now()
      unsafe io_uring_prep_nop(ring.entry())
      ring.submitAndCollect()
      costs.append(guise_now() - start)
    }
    return costs.sorted()[count / 2]
  }
}

/// What the two threads know of each other.
private final class Stage: Sendable {
  struct Latencies {
    var values: [UInt64] = []
    var lastSent: UInt64 = 0
    mutating func add(_ latency: UInt64, sent: UInt64) {
      values.append(latency)
      lastSent = sent
    }
  }
  /// When the sender last sent, CLOCK_MONOTONIC.
  let sentAt = Atomic<UInt64>(0)
  let latencies = Mutex(Latencies())
  let costs = Mutex<[UInt64]>([])
  /// The descriptor to wake by; -1 until it is there.
  private let address = Atomic<Int32>(-1)

  func announce(_ descriptor: Int32) { address.store(descriptor, ordering: .releasing) }

  func awaitAddress() -> Int32 {
    while true {
      let descriptor = address.load(ordering: .acquiring)
      if descriptor >= 0 { return descriptor }
    }
  }
}

/// The thread that sleeps, and by which descriptor it is woken.
private struct Sleeper: ~Copyable {
  private let way: WakeWay
  private let eventfd: Int32
  private let epoll: Int32
  private var ring: BareRing?
  let address: Int32

  init(_ way: WakeWay) throws(KernelError) {
    self.way = way
    eventfd = guise_eventfd()
    epoll = guise_epoll_create()
    guard eventfd >= 0, epoll >= 0 else { throw KernelError("eventfd, epoll_create1", errno: EMFILE) }
    switch way {
    case .eventfdToEpoll:
      guise_epoll_add(epoll, eventfd, guise_epoll_in | guise_epoll_edge, 0)
      address = eventfd
    case .eventfdToRing:
      let ring = try BareRing()
      unsafe io_uring_prep_poll_multishot(ring.entry(), eventfd, UInt32(POLLIN))
      self.ring = ring
      address = eventfd
    case .messageToRing:
      let ring = try BareRing()
      self.ring = ring
      address = ring.descriptor
    }
  }

  mutating func wait() throws(KernelError) {
    guard let ring else {
      unsafe withUnsafeTemporaryAllocation(byteCount: guise_epoll_event_size, alignment: 8) { event in
        _ = unsafe guise_epoll_wait(epoll, event.baseAddress, 1, -1)
      }
      return
    }
    ring.submitAndWait()
  }

  deinit {
    close(eventfd)
    close(epoll)
  }
}

/// The thread that wakes.
private struct Waker: ~Copyable {
  private let ring: BareRing?
  private let address: Int32

  init(_ way: WakeWay, _ address: Int32) throws(KernelError) {
    self.address = address
    ring = way == .messageToRing ? try BareRing() : nil
  }

  func wake() {
    guard let ring else {
      guise_eventfd_signal(address)
      return
    }
    let entry = unsafe ring.entry()
    unsafe io_uring_prep_msg_ring(entry, address, 0, 0, 0)
    unsafe entry.pointee.flags |= guise_sqe_cqe_skip_success
    ring.submitAndCollect()
  }
}

/// An io_uring set up as the data plane's; completions are counted and forgotten.
@safe
private final class BareRing {
  private let ring = UnsafeMutablePointer<io_uring>.allocate(capacity: 1)

  init() throws(KernelError) {
    unsafe ring.initialize(to: io_uring())
    var parameters = io_uring_params()
    parameters.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN
    let result = unsafe io_uring_queue_init_params(8, ring, &parameters)
    guard result == 0 else {
      unsafe ring.deallocate()
      throw KernelError("io_uring_setup", errno: -result)
    }
    unsafe io_uring_register_ring_fd(ring)
  }

  deinit {
    unsafe io_uring_queue_exit(ring)
    unsafe ring.deallocate()
  }

  var descriptor: Int32 { unsafe ring.pointee.ring_fd }

  /// An empty entry: the queue is never full, since every call submits it.
  func entry() -> UnsafeMutablePointer<io_uring_sqe> { unsafe io_uring_get_sqe(ring) }

  func submitAndWait() {
    _ = unsafe guise_submit_and_wait(ring, .max)
    forget()
  }

  func submitAndCollect() {
    _ = unsafe guise_submit_and_wait(ring, 0)
    forget()
  }

  private func forget() { unsafe io_uring_cq_advance(ring, io_uring_cq_ready(ring)) }
}
