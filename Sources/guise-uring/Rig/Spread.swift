/// The middle of some measurements, and how far they lie apart.
struct Spread: Codable, Equatable {
  let median: Double
  let min: Double
  let max: Double

  /// Nil when there are no values. The median of an even number is the mean of the middle two.
  init?(of values: [Double]) {
    guard !values.isEmpty else { return nil }
    let sorted = values.sorted()
    let middle = sorted.count / 2
    median = sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    min = sorted[0]
    max = sorted[sorted.count - 1]
  }

  /// The ratios of values of the same round: what slows the machine down for a while falls on both.
  ///
  /// Both have one value a round, in the order of the rounds.
  static func ofRatios(_ values: [Double], to reference: [Double]) -> Spread? {
    Spread(of: zip(values, reference).filter { $1 > 0 }.map { $0 / $1 })
  }
}
