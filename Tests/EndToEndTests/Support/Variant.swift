import Testing

/// A way to run the gateways that must make no difference to what they do.
struct Variant: Sendable, CustomTestStringConvertible {
  let engine: String
  let workers: Int

  private static let workerCounts = [1, 2, 4, 8]

  static let all = ["io_uring", "epoll"].flatMap { engine in
    workerCounts.map { Variant(engine: engine, workers: $0) }
  }

  /// Each number of workers once, the engines in turn: for tests that take long.
  static let mixed = zip(["io_uring", "epoll", "io_uring", "epoll"], workerCounts).map {
    Variant(engine: $0, workers: $1)
  }

  /// Those with several workers.
  static let several = all.filter { $0.workers > 1 }

  /// For tests where engine and number of workers say nothing new.
  static let plain = Variant(engine: "io_uring", workers: 1)

  /// For tests where several workers make it harder.
  static let shared = Variant(engine: "io_uring", workers: 2)

  /// Each engine, with so many workers: two unless told, as many as the machine has reason for.
  static func eachEngine(workers: Int = 2) -> [Variant] { all.filter { $0.workers == workers } }

  var arguments: [String] { ["--engine", engine, "--workers", "\(workers)"] }

  var testDescription: String { "\(engine), \(workers) worker\(workers == 1 ? "" : "s")" }
}
