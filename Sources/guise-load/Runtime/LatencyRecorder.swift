internal import Histogram
internal import LoadModel

/// A distribution of nanoseconds with three significant digits, up to a minute. Allocates when made.
struct LatencyRecorder: Sendable {
  private static let ceiling: UInt64 = 60_000_000_000
  private var histogram = Histogram<UInt64>(
    highestTrackableValue: ceiling, numberOfSignificantValueDigits: .three)

  mutating func record(nanoseconds: UInt64) { _ = histogram.record(min(nanoseconds, Self.ceiling)) }

  /// Nil when nothing was recorded.
  var summary: LatencySummary? {
    guard histogram.totalCount > 0 else { return nil }
    return LatencySummary(
      count: histogram.totalCount, min: Self.microseconds(histogram.min),
      mean: Figures.rounded(histogram.mean / 1e3, places: 3), p50: at(50), p90: at(90), p99: at(99),
      p999: at(99.9), max: Self.microseconds(histogram.maxRecorded))
  }

  private func at(_ percentile: Double) -> Double {
    Self.microseconds(min(histogram.valueAtPercentile(percentile), histogram.maxRecorded))
  }

  private static func microseconds(_ nanoseconds: UInt64) -> Double {
    Figures.rounded(Double(nanoseconds) / 1e3, places: 3)
  }
}
