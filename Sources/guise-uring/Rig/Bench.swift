internal import DataPlane
internal import Glibc

/// Lets contenders take turns and keeps what came of it.
final class Bench {
  /// Creates a contender, which may turn out to be beyond the running kernel.
  typealias Entry = (name: String, make: () throws -> any Contender)

  let host: TestHost
  private let rounds: Int
  private let operations: Int
  private(set) var comparisons: [Comparison] = []

  /// `operations` is what a contender does a round; loads with costly operations do a fraction of it.
  init(host: TestHost, rounds: Int, operations: Int) {
    self.host = host
    self.rounds = rounds
    self.operations = operations
  }

  /// Measures all contenders once a round, one after the other, after a shorter run each that does not
  /// count. What the kernel does not support is left out and named.
  func compare(
    _ load: String, per unit: String = "packet", fraction: Int = 1, clock: Stopwatch.Clock = .process,
    _ entries: [Entry]
  ) throws {
    let count = max(1, operations / fraction)
    var rows = entries.map { Comparison.Row(contender: $0.name) }
    var contenders: [(row: Int, contender: any Contender)] = []
    for (row, entry) in entries.enumerated() {
      do {
        let contender = try entry.make()
        var watch = Stopwatch(clock)
        _ = try contender.run(operations: max(1, count / 8), &watch)
        contenders.append((row, contender))
      } catch let error as KernelError where Self.meansUnsupported(error.errno) {
        rows[row].unsupported = error.description
      }
    }

    var cpu = [[Double]](repeating: [], count: rows.count)
    var wall = cpu
    var figures = [[[Figure]]](repeating: [], count: rows.count)
    for _ in 0..<rounds {
      for (row, contender) in contenders {
        var watch = Stopwatch(clock)
        let outcome = try contender.run(operations: count, &watch)
        cpu[row].append(Double(watch.cpu) / Double(outcome.operations))
        wall[row].append(Double(watch.wall) / Double(outcome.operations))
        figures[row].append(outcome.figures)
      }
    }

    let reference = contenders.first?.row ?? 0
    for (row, _) in contenders {
      rows[row].cpu = Spread(of: cpu[row])
      rows[row].wall = Spread(of: wall[row])
      rows[row].ratio = Spread.ofRatios(cpu[row], to: cpu[reference])
      for (column, figure) in (figures[row].first ?? []).enumerated() {
        let median = Spread(of: figures[row].map { $0[column].value })?.median ?? 0
        rows[row].figures.append(Figure(name: figure.name, value: median))
      }
    }
    comparisons.append(Comparison(load: load, unit: unit, rows: rows))
  }

  /// What a kernel answers to a request it does not know.
  private static func meansUnsupported(_ errno: Int32) -> Bool {
    [ENOSYS, EINVAL, EOPNOTSUPP].contains(errno)
  }
}
