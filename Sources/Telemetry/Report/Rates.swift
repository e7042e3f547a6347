package import DataPlane

/// What a worker, or all of them, did in a stretch of time: each second of it on average.
package struct Rates: Codable, Sendable, Equatable {
  package var datagramsIn = 0.0
  package var datagramsOut = 0.0
  package var bytesIn = 0.0
  package var bytesOut = 0.0
  package var drops = 0.0
  package var handoffs = 0.0
  package var turns = 0.0
  package var flowsOpened = 0.0
  /// CPU seconds a second, of each worker alone or of all together, but for what it polled.
  package var load = 0.0
  /// Seconds a second that a worker in conversation looked for what comes next; nil from a process that does not tell.
  package var polling: Double?
  /// Datagrams in a train towards the tunnel and towards the UDP side, arrivals in a turn; nil when there was none.
  package var trainIn: Double?
  package var trainOut: Double?
  package var batch: Double?
  /// Milliseconds, of handshakes and keepalives that were answered; nil when none was.
  package var roundTrip: Double?

  package init() {}

  package init(
    from old: StatisticsSnapshot, to new: StatisticsSnapshot, processorSeconds: Double, seconds: Double
  ) {
    guard seconds > 0 else { return }
    func difference(_ counter: Counter) -> Double { Double(new[counter] &- old[counter]) }
    func perSecond(_ counter: Counter) -> Double { difference(counter) / seconds }
    func ratio(_ parts: Counter, _ wholes: Counter) -> Double? {
      let count = difference(wholes)
      return count > 0 ? difference(parts) / count : nil
    }
    datagramsIn = perSecond(.datagramsIn)
    datagramsOut = perSecond(.datagramsOut)
    bytesIn = perSecond(.datagramBytesIn)
    bytesOut = perSecond(.datagramBytesOut)
    drops = Double(new.dropped &- old.dropped) / seconds
    handoffs = perSecond(.handoffs)
    turns = perSecond(.turns)
    flowsOpened = perSecond(.flowsOpened)
    // Polling takes time that others may have had: more of it than of the CPU's.
    let polled = difference(.nanosecondsPolled) / 1e9
    load = max(0, processorSeconds - polled) / seconds
    polling = polled / seconds
    trainIn = ratio(.segmentsOut, .tunWrites)
    trainOut = ratio(.datagramsOut, .udpSends)
    batch = Self.mean([.batchSize], old, new)
    roundTrip = Self.mean([.handshakeRoundTrip, .probeRoundTrip], old, new).map { $0 / 1_000 }
  }

  private static func mean(
    _ distributions: [Distribution], _ old: StatisticsSnapshot, _ new: StatisticsSnapshot
  ) -> Double? {
    let count = distributions.reduce(0) { $0 + (new[$1].count &- old[$1].count) }
    let sum = distributions.reduce(0) { $0 + (new[$1].sum &- old[$1].sum) }
    return count > 0 ? Double(sum) / Double(count) : nil
  }
}
