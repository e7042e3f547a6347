internal import CLiburing

/// The calls by which a turn sends off what is queued, waits, and collects what has come. Times are in nanoseconds.
///
/// The receives run inside these calls, so at a resting pace the clock is read before one that does not wait: turns
/// are counted from where they begin to take, as with epoll.
struct RingWait: BitwiseCopyable {
  /// CLOCK_MONOTONIC when the last turn ended.
  private(set) var now: UInt64 = guise_now()
  /// How long it has looked at a polling pace.
  private(set) var polled: UInt64 = 0
  /// How many times as much as usual is collected.
  var depth = 1
  private var bursts = Bursts()

  /// Without a pace it does not wait.
  mutating func turn(_ ring: borrowing Ring, _ pace: Pace?, until deadline: UInt64) throws(KernelError) {
    polled = 0
    switch pace {
    case nil:
      try ring.submitAndWait(timeout: 0)
      now = guise_now()
    case .prompt: try wait(ring, until: deadline)
    case .resting(let interval): try restAndWait(ring, interval, deadline)
    case .lingering(let time):
      try ring.submitAndWait(timeout: 0)
      try linger(ring, time)
    case .polling(let time): try pollAndWait(ring, time, deadline)
    }
    try collect(ring)
  }

  /// Sends off what is queued, rests unless there is enough to do or streams pause, and waits.
  private mutating func restAndWait(
    _ ring: borrowing Ring, _ interval: UInt64, _ deadline: UInt64
  ) throws(KernelError) {
    let last = now
    now = guise_now()
    try ring.submitAndWait(timeout: 0)
    guard ring.readyCount < Limits.restArrivalsMax else { return }
    if bursts.restIsDue {
      Rest.take(interval, since: last)
      now = guise_now()
      try ring.submitAndWait(timeout: 0)
    }
    var waited: UInt64 = 0
    if ring.readyCount == 0 {
      let asked = guise_now()
      try wait(ring, until: deadline)
      waited = now &- asked
    }
    guard ring.readyCount > 0 else { return }
    let time = bursts.timeForOthers(afterWaiting: waited, interval: interval)
    if time > 0 { try linger(ring, time) }
  }

  /// Sleeps for a while and takes what has come.
  private mutating func linger(_ ring: borrowing Ring, _ time: UInt64) throws(KernelError) {
    Rest.linger(time)
    now = guise_now()
    try ring.submitAndWait(timeout: 0)
  }

  /// Sends off what is queued, looks for arrivals, and waits when none have come. A look is no call: the
  /// kernel says by a flag that a receive can go on.
  private mutating func pollAndWait(
    _ ring: borrowing Ring, _ time: UInt64, _ deadline: UInt64
  ) throws(KernelError) {
    try ring.submitAndWait(timeout: 0)
    let start = guise_now()
    let end = min(start &+ time, deadline)
    while ring.readyCount == 0, BusyPoll.goesOn(until: end) {
      if ring.hasPendingWork { try ring.submitAndWait(timeout: 0) }
    }
    now = guise_now()
    polled = now &- start
    if ring.readyCount == 0 { try wait(ring, until: deadline) }
  }

  private mutating func wait(_ ring: borrowing Ring, until deadline: UInt64) throws(KernelError) {
    try ring.submitAndWait(timeout: Rest.timeLeft(until: deadline))
    now = guise_now()
  }

  /// Goes on with receives that have had their turn. A multishot receive hands up 33 datagrams at a time, and
  /// the flows of a busy listener share what a turn takes: by this their trains are as long as by recvmmsg.
  ///
  /// A pass that brings nothing is the last. The kernel sets the flag after it has queued the work
  /// (`io_req_local_work_add`), which may have been run by then: it can stay set with nothing behind it.
  private func collect(_ ring: borrowing Ring) throws(KernelError) {
    var readyCount = ring.readyCount
    let (arrivalsMax, bytesMax) = (Limits.turnArrivalsMax &* UInt32(depth), Limits.turnBytesMax &* depth)
    while ring.hasPendingWork, readyCount < arrivalsMax, ring.readyByteCount < bytesMax {
      try ring.submitAndWait(timeout: 0)
      guard ring.readyCount > readyCount else { return }
      readyCount = ring.readyCount
    }
  }
}
