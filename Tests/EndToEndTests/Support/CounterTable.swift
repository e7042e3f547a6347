/// A table of counters as `guise` prints it on SIGUSR1 and at its end, summed over the workers.
struct CounterTable: Sendable, CustomStringConvertible {
  private var counters: [(name: String, total: Int, byWorker: [Int])] = []
  private var firstReason = 0

  /// A counter or, by its reason, a kind of drop.
  subscript(name: String) -> Int {
    get throws {
      guard let counter = counters.first(where: { $0.name == name }) else {
        throw CommandFailure(description: "no counter `\(name)` in \(self)")
      }
      return counter.total
    }
  }

  /// Whether its last row is there.
  var isWhole: Bool { counters.last?.name == "stale-completion" }

  /// A counter's value at each worker; empty when there is one alone.
  func byWorker(_ name: String) -> [Int] { counters.first { $0.name == name }?.byWorker ?? [] }

  /// What is not zero.
  var description: String {
    counters.filter { $0.total > 0 }.map { "\($0.name) \($0.total)" }.joined(separator: ", ")
  }

  /// Every table in a log, oldest first. The first column of numbers is the sum.
  static func all(in log: String) -> [CounterTable] {
    var tables: [CounterTable] = []
    // A log may be read while it is written: what has no end yet is no line.
    for line in log[..<(log.lastIndex(of: "\n") ?? log.startIndex)].split(separator: "\n") {
      if line.starts(with: /\s+(\S+\s+)?all(\s+worker \d+)*$/) {
        tables.append(CounterTable())
      } else if let row = line.wholeMatch(of: /[! ]\s+(\S.*?)\s+(\d+)((?:\s+\d+)*)/), !tables.isEmpty {
        tables[tables.count - 1].counters.append(
          (String(row.1), Int(row.2)!, row.3.split(separator: " ").map { Int($0)! }))
      } else if line.contains("dropped:"), !tables.isEmpty {
        tables[tables.count - 1].firstReason = tables[tables.count - 1].counters.count
      }
    }
    return tables
  }
}

extension CounterTable {
  private static let datagramReasons: Set = [
    "empty-datagram", "truncated-datagram", "datagram-too-large", "handshake-queue-full", "handshake-failed",
    "port-space-full", "tun-write-failed",
  ]
  private static let eitherReasons: Set = ["flow-table-full", "handoff-full", "stale-completion"]

  /// Datagrams from UDP that did not become segments.
  var dropsOfDatagrams: Int { drops { Self.datagramReasons.contains($0) } }

  /// Drops that may be of either kind.
  var dropsOfEither: Int { drops { Self.eitherReasons.contains($0) } }

  /// Segments from TUN that did not become datagrams.
  var dropsOfSegments: Int {
    drops { !Self.datagramReasons.contains($0) && !Self.eitherReasons.contains($0) }
  }

  /// Reasons are what follows the heading `dropped:`.
  private func drops(_ isMeant: (String) -> Bool) -> Int {
    counters[firstReason...].filter { isMeant($0.name) }.reduce(0) { $0 + $1.total }
  }
}
