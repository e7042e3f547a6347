internal import CLiburing
internal import Glibc
internal import LoadModel

/// Receives, verifies and counts datagrams until it is told to stop or nothing comes any more. One thread.
struct TrafficSink: Sendable {
  /// When to stop, and how closely to look.
  struct Plan: Sendable {
    var verification: Verification
    var timesLatency: Bool
    var perFlow: Bool
    /// Nil: no limit.
    var durationNanoseconds: UInt64?
    /// Silence after the last datagram that ends the run; nil: any.
    var idleNanoseconds: UInt64?
  }

  /// What came, and why it could not be compared with what was sent.
  struct Outcome: Sendable {
    var report: ArrivalReport
    var failure: LoadFailure?
  }

  /// How long a receive waits before it looks whether the run is over.
  static let patienceMilliseconds = 50
  /// How long what waits in the socket is still read after the end.
  private static let drainNanoseconds: UInt64 = 1_000_000_000

  let plan: Plan
  let socket: DatagramSocket
  let state: RunState

  /// What came. The expectation, when there is one, is asked for after the last datagram; when it cannot
  /// be had, the report goes without it.
  func run(expectation: () throws(LoadFailure) -> SendReport?) throws(LoadFailure) -> Outcome {
    var batch = ReceiveBatch()
    var book = ArrivalBook(verification: plan.verification, timesLatency: plan.timesLatency)
    let begin = guise_now()
    while !state.isStopping, !isOver(since: begin, lastArrival: book.ledger.lastArrival) {
      try receive(&batch, into: &book, isPatient: true)
    }
    let drainEnd = guise_now() + Self.drainNanoseconds
    while try receive(&batch, into: &book, isPatient: false), guise_now() < drainEnd {}
    let expected = Result { () throws(LoadFailure) in try expectation() }
    var report = ArrivalReport(
      book.ledger, socketDrops: socket.drops, perFlow: plan.perFlow, expectation: (try? expected.get()) ?? nil
    )
    report.latencyMicroseconds = book.latencySummary
    if case .failure(let failure) = expected { return Outcome(report: report, failure: failure) }
    return Outcome(report: report, failure: nil)
  }

  /// Returns whether anything came.
  @discardableResult
  private func receive(_ batch: inout ReceiveBatch, into book: inout ArrivalBook, isPatient: Bool)
    throws(LoadFailure) -> Bool
  {
    let count = batch.receive(from: socket.descriptor, isPatient: isPatient)
    guard count > 0 else {
      if Refusal(errno: Int32(-count)) == .permanent { throw LoadFailure("recvmmsg", errno: Int32(-count)) }
      return false
    }
    book.record(batch, count: count)
    state.show(datagrams: book.ledger.received, bytes: book.ledger.bytes)
    return true
  }

  private func isOver(since begin: UInt64, lastArrival: UInt64) -> Bool {
    let now = guise_now()
    if let duration = plan.durationNanoseconds, now - begin >= duration { return true }
    if let idle = plan.idleNanoseconds, lastArrival > 0, now - lastArrival >= idle { return true }
    return false
  }
}
