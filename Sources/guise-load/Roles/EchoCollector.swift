internal import CLiburing
internal import Glibc
internal import LoadModel

/// Receives what an echo sends back to a source's sockets. One thread, beside the source's.
struct EchoCollector: Sendable {
  /// Silence after which nothing more is expected once the source has ended: where all has come back, and where
  /// something has not, for which a busy machine is given time.
  private static let quietNanoseconds: UInt64 = 300_000_000
  private static let quietNanosecondsMax: UInt64 = 1_500_000_000
  /// The longest wait for stragglers.
  private static let stragglerNanoseconds: UInt64 = 3_000_000_000

  let sockets: [DatagramSocket]
  let verification: Verification
  let perFlow: Bool
  /// Its stop says that the source has ended, and its datagrams then how many were sent.
  let state: RunState

  /// What came back, and how many receives said that nobody listens.
  func run() throws(LoadFailure) -> (report: ArrivalReport, refused: UInt64) {
    var batch = ReceiveBatch()
    var book = ArrivalBook(verification: verification, timesLatency: true)
    var refused: UInt64 = 0
    var readyList = try ReadyList(sockets)
    var sourceEnd: UInt64?
    while true {
      try readyList.wait(milliseconds: 20) { (flow) throws(LoadFailure) in
        try collect(flow, &batch, &book, &refused)
      }
      let now = guise_now()
      if state.isStopping, sourceEnd == nil { sourceEnd = now }
      if let sourceEnd, isOver(now, sourceEnd: sourceEnd, book.ledger) { break }
    }
    var report = ArrivalReport(
      book.ledger, socketDrops: sockets.reduce(0) { $0 + $1.drops }, perFlow: perFlow)
    report.latencyMicroseconds = book.latencySummary
    return (report, refused)
  }

  private func isOver(_ now: UInt64, sourceEnd: UInt64, _ ledger: borrowing FlowLedger) -> Bool {
    let patience = ledger.received >= state.datagrams ? Self.quietNanoseconds : Self.quietNanosecondsMax
    return now - max(sourceEnd, ledger.lastArrival) >= patience
      || now - sourceEnd >= Self.stragglerNanoseconds
  }

  private func collect(
    _ flow: Int, _ batch: inout ReceiveBatch, _ book: inout ArrivalBook, _ refused: inout UInt64
  ) throws(LoadFailure) {
    let count = batch.receive(from: sockets[flow].descriptor, isPatient: false)
    guard count <= 0 else { return book.record(batch, count: count) }
    switch Refusal(errno: Int32(-count)) {
    case .nobodyListens, .noWay: refused += 1
    case .noRoom, .interrupted: break
    case .permanent: throw LoadFailure("recvmmsg", errno: Int32(-count))
    }
  }
}
