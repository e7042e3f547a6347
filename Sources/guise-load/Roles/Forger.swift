internal import CLiburing
internal import LoadModel

/// Sends forged packets at a rate. One thread.
struct Forger: Sendable {
  struct Plan: Sendable {
    var forgery: Forgery
    var count: UInt64
    var rate: TrafficRate
  }

  /// The shortest wait for the next departure.
  private static let paceQuantum: UInt64 = 50_000

  private var plan: Plan
  private let state: RunState
  private var report = ForgeReport()

  init(_ plan: Plan, state: RunState) {
    self.plan = plan
    self.state = state
  }

  /// Sends until all are sent or the state says stop.
  mutating func run() throws(LoadFailure) -> ForgeReport {
    var batch = try RawBatch()
    var kinds: [ForgedKind] = []
    kinds.reserveCapacity(RawBatch.capacity)
    let begin = guise_now()
    var pacer = Pacer(plan.rate, origin: begin)
    while !state.isStopping, report.sent < plan.count {
      let now = guise_now()
      pacer.limitBacklog(at: now)
      let delay = pacer.delay(at: now)
      guard delay == 0 else {
        ThreadSleep.nanoseconds(max(delay, Self.paceQuantum))
        continue
      }
      fill(&batch, &kinds, now: now, &pacer)
      try send(&batch, kinds)
    }
    report.end(afterSeconds: Double(guise_now() - begin) / 1e9)
    return report
  }

  /// Puts what is due into the batch.
  private mutating func fill(
    _ batch: inout RawBatch, _ kinds: inout [ForgedKind], now: UInt64, _ pacer: inout Pacer
  ) {
    batch.removeAll()
    kinds.removeAll(keepingCapacity: true)
    var left = plan.count - report.sent
    repeat {
      let kind = plan.forgery.next()
      kinds.append(kind)
      batch.append(plan.forgery.packet, to: plan.forgery.destination(of: kind))
      pacer.depart(datagrams: 1, bytes: plan.forgery.packet.count)
      left -= 1
    } while !batch.isFull && left > 0 && pacer.delay(at: now) == 0
  }

  private mutating func send(_ batch: inout RawBatch, _ kinds: [ForgedKind]) throws(LoadFailure) {
    var done = 0
    while done < batch.count, !state.isStopping {
      let result = batch.send(from: done)
      if result > 0 {
        for kind in kinds[done..<(done + result)] { report.count(kind) }
        done += result
        state.show(datagrams: report.sent, bytes: 0)
        continue
      }
      switch Refusal(errno: Int32(-result)) {
      case .interrupted: break
      case .noRoom:
        report.waited += 1
        ThreadSleep.nanoseconds(Self.paceQuantum)
      case .nobodyListens, .noWay, .permanent:
        throw LoadFailure(
          "sendmmsg of forged packets", errno: Int32(-result), remedy: "is there a route to that address?")
      }
    }
  }
}
