import Testing

/// A way to run the gateways that must make no difference to what they do.
struct Variant: Sendable, CustomTestStringConvertible {
  let engine: String
  let workers: Int

  static let all = ["io_uring"].flatMap { engine in
    [1, 2].map { Variant(engine: engine, workers: $0) }
  }

  /// For tests where the number of workers says nothing new.
  static let plain = Variant(engine: "io_uring", workers: 1)

  var arguments: [String] { ["--workers", "\(workers)"] }

  var testDescription: String { "\(engine), \(workers) worker\(workers == 1 ? "" : "s")" }
}
