/// A question to the running kernel: ways to ask io_uring for the same thing, measured in turn.
protocol Experiment: Sendable {
  /// As `--experiment` takes it.
  static var name: String { get }
  /// The question in one line, without a full stop.
  static var question: String { get }
  /// The page in docs/decisions that holds figures and conclusion.
  static var decision: String { get }

  static func run(_ bench: Bench) throws
}

/// All of them, in the order of their decision pages.
enum Experiments {
  static let all: [any Experiment.Type] = [
    RegisteredBuffers.self, TunReads.self, DatagramReceives.self, RegisteredWaits.self,
    SubmissionThread.self, ZeroCopySends.self, BatchSizes.self, BufferCounts.self, BusyPolling.self,
    MinimumWaits.self, LoneSends.self,
  ]

  static func named(_ name: String) -> (any Experiment.Type)? { all.first { $0.name == name } }
}
