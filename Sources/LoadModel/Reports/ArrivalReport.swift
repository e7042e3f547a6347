/// What `guise-load sink --json` prints, and the `echo` part of `send --echo --json`.
package struct ArrivalReport: Codable, Equatable, Sendable {
  /// One flow, with `--per-flow`.
  package struct Flow: Codable, Equatable, Sendable {
    package var run: UInt32
    package var flow: UInt16
    package var received: UInt64
    package var bytes: UInt64
    package var lost: UInt64
    package var duplicated: UInt64
    package var reordered: UInt64
    package var stale: UInt64
    /// To compare with what the sender reports: it sent 0 ..< numbered.
    package var highestSequence: UInt64
    /// The longest time from one arrival to the next.
    package var longestSilenceSeconds: Double
    /// From the flow's last arrival to the last of all: of a flow that still went on, little.
    package var silentSinceSeconds: Double
  }

  /// Genuine datagrams, duplicates included.
  package var received: UInt64 = 0
  /// Their payload.
  package var bytes: UInt64 = 0
  package var flows = 0
  /// Without `sent`: the gaps below each flow's highest sequence number. With it: all that is missing.
  package var lost: UInt64 = 0
  /// `lost` of all that was sent as far as known.
  package var lossPercent = 0.0
  package var duplicated: UInt64 = 0
  /// New datagrams that came after one with a higher number.
  package var reordered: UInt64 = 0
  /// So late that duplicates cannot be told; counted as lost, too.
  package var stale: UInt64 = 0
  /// Datagrams that no sender wrote so.
  package var corrupt: UInt64 = 0
  /// Genuine datagrams without a sequence number: shorter than 24 bytes, or `--verify none`.
  package var anonymous: UInt64 = 0
  /// Datagrams that the kernel dropped because this program did not keep up.
  package var socketDrops: UInt64 = 0
  /// From the first arrival to the last.
  package var durationSeconds = 0.0
  /// Payload bits a second in that time.
  package var bitsPerSecond = 0.0
  package var datagramsPerSecond = 0.0
  /// The longest time that any flow had from one arrival to the next, the end counted in: the time from its last
  /// arrival to the last of all.
  package var longestSilenceSeconds = 0.0
  /// With `--expect-json`, and with `send --echo`: datagrams that were sent.
  package var sent: UInt64?
  /// With `sink --latency` the time from sender to receiver, with `send --echo` the round trip.
  package var latencyMicroseconds: LatencySummary?
  /// With `--per-flow`.
  package var perFlow: [Flow]?

  // New datagrams, of the expected run if there is one.
  private var arrived: UInt64 = 0

  private enum CodingKeys: String, CodingKey {
    case received, bytes, flows, lost, lossPercent, duplicated, reordered, stale, corrupt, anonymous,
      socketDrops
    case durationSeconds, bitsPerSecond, datagramsPerSecond, longestSilenceSeconds, sent, latencyMicroseconds,
      perFlow
  }

  /// Sums a ledger up. With `expectation`, the loss is told from what that sender says it sent.
  package init(
    _ ledger: borrowing FlowLedger, socketDrops: UInt64 = 0, perFlow: Bool = false,
    expectation: SendReport? = nil
  ) {
    received = ledger.received
    bytes = ledger.bytes
    flows = ledger.flowCount
    corrupt = ledger.corrupt
    anonymous = ledger.anonymous
    self.socketDrops = socketDrops
    let duration = Double(ledger.lastArrival - ledger.firstArrival) / 1e9
    durationSeconds = Figures.rounded(duration, places: 6)
    bitsPerSecond = Figures.rate(bytes * 8, over: duration)
    datagramsPerSecond = Figures.rate(received, over: duration)

    var list: [Flow] = []
    var distinct: UInt64 = 0
    var distinctExpected: UInt64 = 0
    ledger.forEachFlow { tally in
      let flow = Flow(tally, lastArrival: ledger.lastArrival)
      longestSilenceSeconds = max(longestSilenceSeconds, flow.longestSilenceSeconds, flow.silentSinceSeconds)
      lost += flow.lost
      duplicated += flow.duplicated
      reordered += flow.reordered
      stale += flow.stale
      distinct += tally.tracker.distinct
      if flow.run == expectation?.run { distinctExpected += tally.tracker.distinct }
      if perFlow { list.append(flow) }
    }
    if perFlow { self.perFlow = list.sorted { ($0.run, $0.flow) < ($1.run, $1.flow) } }
    arrived = (expectation == nil ? distinct : distinctExpected) + anonymous
    lossPercent = Figures.percent(lost, of: distinct + lost)
    if let expectation { expect(sent: expectation.sent) }
  }

  /// Tells the loss from what the sender says it sent, all of which was meant for this receiver.
  package mutating func expect(sent: UInt64) {
    self.sent = sent
    lost = sent - min(arrived, sent)
    lossPercent = Figures.percent(lost, of: sent)
  }
}

extension ArrivalReport.Flow {
  fileprivate init(_ tally: borrowing FlowTally, lastArrival: UInt64) {
    run = tally.run
    flow = tally.flow
    received = tally.received
    bytes = tally.bytes
    lost = tally.tracker.lost
    duplicated = tally.tracker.duplicated
    reordered = tally.tracker.reordered
    stale = tally.tracker.stale
    highestSequence = tally.tracker.highest ?? 0
    longestSilenceSeconds = Figures.rounded(Double(tally.longestSilence) / 1e9, places: 6)
    silentSinceSeconds = Figures.rounded(Double(lastArrival - tally.lastArrival) / 1e9, places: 6)
  }
}

extension ArrivalReport: CustomStringConvertible {
  package var description: String {
    var text = """
      received \(Figures.quantity(received, "datagram")) of \(Figures.quantity(UInt64(flows), "flow")) \
      (\(Figures.byteCount(bytes))) in \(Figures.decimal(durationSeconds, places: 2)) s: \
      \(Figures.bitRate(bitsPerSecond)), \(Figures.decimal(datagramsPerSecond, places: 0)) datagrams/s
      lost \(Figures.grouped(lost))\(sent.map { " of \(Figures.grouped($0)) sent" } ?? "") \
      (\(Figures.decimal(lossPercent, places: 2)) %), duplicated \(Figures.grouped(duplicated)), \
      reordered \(Figures.grouped(reordered)), corrupt \(Figures.grouped(corrupt))
      """
    if flows > 0 {
      text += ", longest silence of a flow \(Figures.decimal(longestSilenceSeconds * 1_000, places: 1)) ms"
    }
    if stale > 0 { text += ", too late \(Figures.grouped(stale))" }
    if socketDrops > 0 {
      text += "\n\(Figures.grouped(socketDrops)) dropped at this socket: it did not keep up"
    }
    if let latencyMicroseconds { text += "\nlatency \(latencyMicroseconds)" }
    return text
  }
}
