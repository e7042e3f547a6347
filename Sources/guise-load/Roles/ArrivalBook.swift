internal import CLiburing
internal import LoadModel

/// A ledger fed by batches, and the time datagrams took.
struct ArrivalBook: ~Copyable {
  private(set) var ledger: FlowLedger
  private var latency: LatencyRecorder?

  /// With `timesLatency`, what the heads say about departure is compared with this host's clock.
  init(verification: Verification, timesLatency: Bool) {
    ledger = FlowLedger(verification: verification)
    latency = timesLatency ? LatencyRecorder() : nil
  }

  var latencySummary: LatencySummary? { latency?.summary }

  /// Takes every datagram of the batch's first `count` messages into account.
  mutating func record(_ batch: borrowing ReceiveBatch, count: Int) {
    let now = guise_now()
    for index in 0..<count {
      let message = batch.message(index)
      let size = batch.segmentSize(index)
      for place in 0..<batch.datagramCount(index) {
        let verdict = ledger.record(message.datagram(place, size: size), arrival: now)
        if case .numbered(let head) = verdict { latency?.record(nanoseconds: head.age(at: now)) }
      }
    }
  }
}
