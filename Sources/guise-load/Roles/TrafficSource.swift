internal import CLiburing
internal import Glibc
internal import LoadModel

/// Sends numbered datagrams in flows, round-robin, at a rate. One thread.
struct TrafficSource: Sendable {
  /// What to send.
  struct Plan: Sendable {
    var run: UInt32
    var sizes: SizeRange
    var rate: TrafficRate
    /// Nil: no limit.
    var durationNanoseconds: UInt64?
    /// Datagrams in all; nil: no limit.
    var count: UInt64?
    /// Datagrams a message carries at most.
    var segments: Int
    /// Messages that a flow sends in its turn.
    var burst: Int
    /// Whether a burst leaves as a whole when its first datagram is due.
    var isBunched: Bool
    /// Datagrams that each flow sends before the measurement begins; no receiver counts them.
    var openingCount: Int
    var seed: UInt64
  }

  /// The shortest wait for the next departure: pacing in steps of this length costs little and is smooth enough.
  private static let paceQuantum: UInt64 = 50_000

  /// From one opening datagram to the next, and to the beginning.
  private static let openingInterval: UInt64 = 100_000_000
  /// As small as an Ethernet frame's payload may be, and long enough for a head.
  private static let openingSize = 46

  private let plan: Plan
  private let sockets: [DatagramSocket]
  private let state: RunState

  private var sent: UInt64 = 0
  private var sentBytes: UInt64 = 0
  private var byFlow: [SendReport.Flow]
  private var refused: UInt64 = 0
  private var waited: UInt64 = 0
  private var end = UInt64.max

  /// One flow for each of `sockets`, which are connected.
  init(_ plan: Plan, sockets: [DatagramSocket], state: RunState) {
    self.plan = plan
    self.sockets = sockets
    self.state = state
    byFlow = sockets.indices.map { SendReport.Flow(flow: UInt16($0)) }
  }

  /// Sends until the duration, the count or the state says stop.
  mutating func run() throws(LoadFailure) -> SendReport {
    var batch = SendBatch(capacity: plan.burst, segmentCapacity: plan.segments)
    for _ in 0..<plan.openingCount { try open(&batch) }
    var random = RandomSource(seed: plan.seed)
    let begin = guise_now()
    var pacer = Pacer(plan.rate, origin: begin)
    if let duration = plan.durationNanoseconds { end = begin + duration }
    var flow = 0
    while !state.isStopping, sent < plan.count ?? .max {
      let now = guise_now()
      guard now < end else { break }
      pacer.limitBacklog(at: now)
      let delay = pacer.delay(at: now)
      guard delay == 0 else {
        ThreadSleep.nanoseconds(min(max(delay, Self.paceQuantum), end - now))
        continue
      }
      fill(&batch, flow: flow, now: now, pacer: &pacer, random: &random)
      try send(&batch, flow: flow)
      flow = flow + 1 == sockets.count ? 0 : flow + 1
    }
    return report(seconds: Double(guise_now() - begin) / 1e9)
  }

  /// Sends one opening datagram in every flow and waits: what a path does at a flow's first datagram, a
  /// handshake perhaps, is then over.
  private func open(_ batch: inout SendBatch) throws(LoadFailure) {
    for flow in sockets.indices where !state.isStopping {
      batch.removeAll()
      let head = DatagramHead(
        run: plan.run, flow: UInt16(flow), length: UInt16(Self.openingSize),
        sequence: DatagramHead.openingSequence, departure: guise_now())
      batch.append(head, segments: 1)
      let result = batch.send(from: 0, on: sockets[flow].descriptor)
      guard result < 0, Refusal(errno: Int32(-result)) == .permanent else { continue }
      throw LoadFailure("sendmmsg", errno: Int32(-result))
    }
    ThreadSleep.nanoseconds(Self.openingInterval)
  }

  /// Puts what is due into the batch, up to a burst.
  private func fill(
    _ batch: inout SendBatch, flow: Int, now: UInt64, pacer: inout Pacer, random: inout RandomSource
  ) {
    batch.removeAll()
    var (numbered, short) = (byFlow[flow].numbered, byFlow[flow].sent - byFlow[flow].numbered)
    var left = plan.count.map { $0 - sent } ?? .max
    repeat {
      let size = plan.sizes.draw(&random)
      let room = size == 0 ? 1 : max(1, PayloadPattern.datagramSizeMax / size)
      let segments = min(plan.segments, room, Int(clamping: left))
      // Datagrams too short to carry a number must not leave gaps among those that do.
      let isNumbered = size >= DatagramHead.byteCount
      let head = DatagramHead(
        run: plan.run, flow: UInt16(flow), length: UInt16(size), sequence: isNumbered ? numbered : short,
        departure: now)
      batch.append(head, segments: segments)
      pacer.depart(datagrams: segments, bytes: segments * size)
      if isNumbered { numbered += UInt64(segments) } else { short += UInt64(segments) }
      left -= UInt64(segments)
    } while !batch.isFull && left > 0 && (plan.isBunched || pacer.delay(at: now) == 0)
  }

  /// Sends the whole batch, unless the run ends before the kernel has taken it.
  private mutating func send(_ batch: inout SendBatch, flow: Int) throws(LoadFailure) {
    var done = 0
    while done < batch.count {
      let result = batch.send(from: done, on: sockets[flow].descriptor)
      if result > 0 {
        for index in done..<(done + result) {
          let (count, size) = batch.contents(index)
          sent += UInt64(count)
          sentBytes += UInt64(count * size)
          byFlow[flow].sent += UInt64(count)
          if size >= DatagramHead.byteCount { byFlow[flow].numbered += UInt64(count) }
        }
        done += result
        state.show(datagrams: sent, bytes: sentBytes)
        continue
      }
      try waitOut(Int32(-result))
      if state.isStopping || guise_now() >= end { return }
    }
  }

  private mutating func waitOut(_ errno: Int32) throws(LoadFailure) {
    switch Refusal(errno: errno) {
    case .nobodyListens:
      refused += 1
    case .noWay:
      refused += 1
      ThreadSleep.nanoseconds(1_000_000)
    case .noRoom:
      waited += 1
      ThreadSleep.nanoseconds(Self.paceQuantum)
    case .interrupted:
      break
    case .permanent where plan.segments > 1 && (errno == EINVAL || errno == EIO):
      throw LoadFailure(
        "sendmmsg(UDP_SEGMENT)", errno: errno,
        remedy:
          "datagrams of \(plan.sizes) bytes must fit the interface's MTU and it must offload checksums: "
          + "take a smaller --size, or --gso 1")
    case .permanent:
      throw LoadFailure("sendmmsg", errno: errno, remedy: errno == EMSGSIZE ? "take a smaller --size" : nil)
    }
  }

  private func report(seconds: Double) -> SendReport {
    var report = SendReport(
      run: plan.run, flows: sockets.count, sent: sent, bytes: sentBytes, durationSeconds: seconds)
    report.refused = refused
    report.waited = waited
    report.perFlow = byFlow
    return report
  }
}
