import Synchronization
import Testing

/// The programs that a test has started, and what they printed. A failure shows it.
final class Transcript: Sendable {
  /// That of the running test.
  @TaskLocal static var current: Transcript?

  private let started = Mutex<[ChildProcess]>([])
  private let shown = Mutex(false)

  func add(_ process: borrowing ChildProcess) {
    let process = copy process
    started.withLock { $0.append(process) }
  }

  /// Kills whatever still runs.
  func killAll() {
    for process in started.withLock({ $0 }) { process.kill() }
  }

  /// Every program's log, once.
  func takeLogs() -> String? {
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
      guard let logs = Transcript.current?.takeLogs() else { return issue }
      var issue = issue
      issue.comments.append(Comment(rawValue: logs))
      return issue
    }
  }
}
