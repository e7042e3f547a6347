/// One way to do what an experiment is about.
protocol Contender: AnyObject {
  /// Does at least `operations` of it, with the watch running while something happens that counts.
  func run(operations: Int, _ watch: inout Stopwatch) throws -> Outcome
}

/// What a run came to, besides the time it took.
struct Outcome {
  var operations: Int
  /// Further figures by the heading of their column.
  var figures: [Figure] = []
}

/// A figure with the heading of its column.
struct Figure: Codable {
  let name: String
  let value: Double
}
