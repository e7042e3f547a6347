/// A distribution of times in microseconds, as reports carry it.
package struct LatencySummary: Codable, Equatable, Sendable {
  /// Samples.
  package var count: UInt64
  package var min: Double
  package var mean: Double
  package var p50: Double
  package var p90: Double
  package var p99: Double
  /// The 99.9th percentile.
  package var p999: Double
  package var max: Double

  package init(
    count: UInt64, min: Double, mean: Double, p50: Double, p90: Double, p99: Double, p999: Double, max: Double
  ) {
    self.count = count
    self.min = min
    self.mean = mean
    self.p50 = p50
    self.p90 = p90
    self.p99 = p99
    self.p999 = p999
    self.max = max
  }
}

extension LatencySummary: CustomStringConvertible {
  package var description: String {
    let figures = [("p50", p50), ("p90", p90), ("p99", p99), ("p99.9", p999), ("max", max)]
    return figures.map { "\($0.0) \(Figures.decimal($0.1, places: 1))" }.joined(separator: ", ") + " us"
  }
}
