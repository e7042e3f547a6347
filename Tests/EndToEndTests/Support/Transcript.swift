import Synchronization
import Testing

/// What the programs of the running test printed. A failure shows it.
enum Transcript {
  private static let started = Mutex<[ChildProcess]>([])
  private static let shown = Mutex(false)

  static func add(_ process: borrowing ChildProcess) {
    let process = copy process
    started.withLock { $0.append(process) }
  }

  /// Forgets what an earlier test started.
  static func begin() {
    started.withLock { $0 = [] }
    shown.withLock { $0 = false }
  }

  /// Kills whatever still runs.
  static func killAll() {
    for process in started.withLock({ $0 }) { process.kill() }
  }

  /// Every program's log, once per test.
  static func takeLogs() -> String? {
    guard
      shown.withLock({ seen in
        defer { seen = true }
        return !seen
      })
    else { return nil }
    let logs = started.withLock { $0 }.map { process in
      let exit = process.poll().map { "\($0)" } ?? "running"
      return "--- \(process.title) [\(exit)]\n\(process.log.suffix(6000))\(process.output.suffix(2000))"
    }
    return logs.isEmpty ? nil : "\n" + logs.joined(separator: "\n")
  }
}

extension Trait where Self == IssueHandlingTrait {
  /// Appends every program's log to the first issue of a test.
  static var logsWithFirstIssue: Self {
    .compactMapIssues { issue in
      guard let logs = Transcript.takeLogs() else { return issue }
      var issue = issue
      issue.comments.append(Comment(rawValue: logs))
      return issue
    }
  }
}
