import Testing

/// A way to run the gateways that must make no difference to what they do.
struct Variant: Sendable, CustomTestStringConvertible {
  let engine: String
  let workers: Int

  static let all = ["io_uring", "epoll"].flatMap { engine in
    [1, 2].map { Variant(engine: engine, workers: $0) }
  }

  /// For tests where engine and number of workers say nothing new.
  static let plain = Variant(engine: "io_uring", workers: 1)

  /// For tests where several workers make it harder.
  static let shared = Variant(engine: "io_uring", workers: 2)

  /// One for each engine.
  static let engines = all.filter { $0.workers == 2 }

  var arguments: [String] { ["--engine", engine, "--workers", "\(workers)"] }

  var testDescription: String { "\(engine), \(workers) worker\(workers == 1 ? "" : "s")" }
}
