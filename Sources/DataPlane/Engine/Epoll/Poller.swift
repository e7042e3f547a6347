internal import CLiburing
internal import Glibc

/// An epoll instance (epoll(7)): descriptors that are watched for input, edge-triggered.
///
/// A descriptor that is closed is watched no longer.
@safe
struct Poller: ~Copyable {
  /// Most events that one wait brings; the kernel keeps the others for the next.
  static let eventCountMax = 256

  private let descriptor: Int32
  private let events: Region
  /// Whether the kernel has epoll_pwait2 (Linux 5.11).
  private var hasNanoseconds = true

  init() throws(KernelError) {
    let events = try Region(byteCount: Self.eventCountMax * guise_epoll_event_size)
    descriptor = try KernelError.check("epoll_create1", guise_epoll_create())
    self.events = events
  }

  deinit { close(descriptor) }

  /// Watches a descriptor. What is there already counts as an edge.
  func add(_ descriptor: Int32, _ token: Token) throws(KernelError) {
    try KernelError.check(
      "epoll_ctl(ADD)",
      guise_epoll_add(self.descriptor, descriptor, guise_epoll_in | guise_epoll_edge, token.rawValue))
  }

  /// Waits for an event, at most `timeout` nanoseconds (`UInt64.max`: for ever), and returns how many came.
  @inline(__always)
  mutating func wait(timeout: UInt64) throws(KernelError) -> Int {
    if hasNanoseconds {
      let result = unsafe guise_epoll_wait_ns(descriptor, events.base, Int32(Self.eventCountMax), timeout)
      if result >= 0 { return Int(result) }
      return try waitAgain(result, timeout)
    }
    return try waitMilliseconds(timeout)
  }

  /// What `wait` does when it was refused.
  @inline(never)
  private mutating func waitAgain(_ result: Int32, _ timeout: UInt64) throws(KernelError) -> Int {
    switch -result {
    case EINTR: return 0
    // Lists of system calls that are older than it refuse it (seccomp(2)); it has no EPERM of its own.
    case ENOSYS, EPERM:
      hasNanoseconds = false
      return try waitMilliseconds(timeout)
    default: throw KernelError("epoll_pwait2", errno: -result)
    }
  }

  @inline(never)
  private func waitMilliseconds(_ timeout: UInt64) throws(KernelError) -> Int {
    let result = unsafe guise_epoll_wait(
      descriptor, events.base, Int32(Self.eventCountMax), Self.milliseconds(timeout))
    if result == -EINTR { return 0 }
    return Int(try KernelError.check("epoll_wait", result))
  }

  /// Nanoseconds as epoll_wait takes them: rounded up, because waking too early would only mean waiting again.
  static func milliseconds(_ timeout: UInt64) -> Int32 {
    timeout == .max ? -1 : Int32(clamping: timeout / 1_000_000 + (timeout % 1_000_000 == 0 ? 0 : 1))
  }

  /// One event of the last wait: what it is about, and whether an error is pending there.
  @inline(__always)
  subscript(index: Int) -> (token: Token, hasError: Bool) {
    precondition(index < Self.eventCountMax)
    // Safety: the kernel has written the events below the count that `wait` returned; the others are zero.
    return unsafe (
      Token(rawValue: guise_epoll_token(events.base, index)),
      guise_epoll_mask(events.base, index) & guise_epoll_error != 0
    )
  }
}
