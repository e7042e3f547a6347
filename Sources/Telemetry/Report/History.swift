package import DataPlane

/// The last two minutes of a tunnel, second by second, for those who come to look.
package struct History: Sendable {
  package static let countMax = 120

  package struct Moment: Codable, Sendable {
    /// Unix time.
    package var time: Double
    package var all: Rates
    package var workers: [Rates]
    package var flowsOpen: UInt64
  }

  package private(set) var moments: [Moment] = []
  private var last: Reading?

  /// Counters and CPU time as they were read together.
  package struct Reading: Sendable {
    package var time: Double
    package var counters: [StatisticsSnapshot]
    package var processorSeconds: [Double?]

    package init(time: Double, counters: [StatisticsSnapshot], processorSeconds: [Double?]) {
      self.time = time
      self.counters = counters
      self.processorSeconds = processorSeconds
    }

    var sum: StatisticsSnapshot { counters.reduce(StatisticsSnapshot(), +) }
  }

  package init() {}

  package mutating func add(_ reading: Reading) {
    defer { last = reading }
    guard let last, reading.time > last.time, last.counters.count == reading.counters.count else { return }
    let seconds = reading.time - last.time
    let processor = zip(last.processorSeconds, reading.processorSeconds).map { old, new in
      guard let old, let new else { return 0.0 }
      return new - old
    }
    let workers = reading.counters.indices.map {
      Rates(
        from: last.counters[$0], to: reading.counters[$0], processorSeconds: processor[$0], seconds: seconds)
    }
    let all = Rates(
      from: last.sum, to: reading.sum, processorSeconds: processor.reduce(0, +), seconds: seconds)
    if moments.count == Self.countMax { moments.removeFirst() }
    moments.append(Moment(time: reading.time, all: all, workers: workers, flowsOpen: reading.sum.flowsOpen))
  }
}

/// What `/history` answers with.
package struct HistoryReport: Codable, Sendable {
  package struct Tunnel: Codable, Sendable {
    package var name: String
    package var moments: [History.Moment]
  }
  package var tunnels: [Tunnel]
}
