internal import LoadModel

/// A queue's figures, one a round.
struct QueueFigures {
  var single: [Double] = []
  var batched: [Double] = []
  var hop: [Double] = []

  mutating func add(_ single: Double, batched: Double, hop: Double) {
    self.single.append(single)
    self.batched.append(batched)
    self.hop.append(hop)
  }
}

/// A kind of wake-up's figures, one a round.
struct WakeFigures {
  var median: [UInt64] = []
  var p99: [UInt64] = []
  var senderCost: [UInt64] = []

  mutating func add(_ outcome: WakeMeasurement.Outcome) {
    let latencies = outcome.latencies.sorted()
    guard !latencies.isEmpty else { return }
    median.append(latencies[latencies.count / 2])
    p99.append(latencies[latencies.count * 99 / 100])
    senderCost.append(outcome.senderCosts.sorted()[outcome.senderCosts.count / 2])
  }
}

/// All rounds.
struct HandoffReport {
  var cpus: [Int32]
  var capacity: Int
  var batch: Int
  var ring = QueueFigures()
  var lock = QueueFigures()
  var wakeups: [String: WakeFigures] = [:]
  var bareCalls: [UInt64] = []

  init(cpus: [Int32], capacity: Int, batch: Int) {
    self.cpus = cpus
    self.capacity = capacity
    self.batch = batch
  }

  var medians: HandoffMedians {
    HandoffMedians(
      cpus: cpus, capacity: capacity, batch: batch, ring: .init(ring), lock: .init(lock),
      wakeups: wakeups.mapValues { .init($0) }, bareCallNanoseconds: bareCalls.median)
  }
}

/// What is printed.
struct HandoffMedians: Encodable {
  struct Queue: Encodable {
    var itemsPerSecond: Double
    var itemsPerSecondBatched: Double
    var hopNanoseconds: Double

    init(_ figures: QueueFigures) {
      itemsPerSecond = figures.single.median.rounded()
      itemsPerSecondBatched = figures.batched.median.rounded()
      hopNanoseconds = Figures.rounded(figures.hop.median, places: 1)
    }
  }

  /// Nanoseconds.
  struct Wakeup: Encodable {
    var latencyMedian: UInt64
    var latencyP99: UInt64
    /// How long the sender's call took.
    var senderCost: UInt64

    init(_ figures: WakeFigures) {
      latencyMedian = figures.median.median
      latencyP99 = figures.p99.median
      senderCost = figures.senderCost.median
    }
  }

  var cpus: [Int32]
  var capacity: Int
  var batch: Int
  var ring: Queue
  var lock: Queue
  var wakeups: [String: Wakeup]
  var bareCallNanoseconds: UInt64
}

extension HandoffMedians: CustomStringConvertible {
  var description: String {
    let queues = [("SPSCRing", ring), ("Mutex", lock)].map { name, queue in
      name.column(22) + perSecond(queue.itemsPerSecond) + perSecond(queue.itemsPerSecondBatched)
        + "\(Figures.decimal(queue.hopNanoseconds, places: 0)) ns".column(10)
    }
    let wakes = WakeWay.allCases.compactMap { way in
      wakeups[way.rawValue].map { wakeup in
        way.rawValue.column(22) + microseconds(wakeup.latencyMedian) + microseconds(wakeup.latencyP99)
          + microseconds(wakeup.senderCost)
      }
    }
    return """
      cores \(cpus[0]) and \(cpus[1]), queues of \(capacity) entries

      \("queue".column(22))\("one by one".column(16))\("by \(batch)".column(16))\("a hop".column(10))
      \(queues.joined(separator: "\n"))

      \("wake-up".column(22))\("p50".column(12))\("p99".column(12))sender's call
      \(wakes.joined(separator: "\n"))
      \("io_uring_enter, NOP".column(46))\(microseconds(bareCallNanoseconds))
      """
  }

  private func perSecond(_ rate: Double) -> String {
    "\(Figures.decimal(rate / 1e6, places: 1)) M/s".column(16)
  }
  private func microseconds(_ nanoseconds: UInt64) -> String {
    "\(Figures.decimal(Double(nanoseconds) / 1e3, places: 2)) us".column(12)
  }
}

extension String {
  /// Filled up with blanks.
  fileprivate func column(_ width: Int) -> String {
    self + String(repeating: " ", count: max(1, width - count))
  }
}

extension Array where Element: Comparable {
  /// Of an even number, the upper; there must be one.
  fileprivate var median: Element { sorted()[count / 2] }
}
