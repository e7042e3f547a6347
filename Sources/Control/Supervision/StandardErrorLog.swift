internal import Glibc
package import Logging
internal import Synchronization

/// One line per record on standard error: time (UTC), level, text. systemd's journal has the time itself, and is told
/// the priority instead (sd-daemon(3)).
///
/// A line is written in one call, so that lines of several processes do not mix. Nobody waits for a reader that has
/// fallen behind: what it has no room for is left out, and how much that was stands there later.
package struct StandardErrorLog: LogHandler {
  package var metadata: Logger.Metadata = [:]
  package var metadataProvider: Logger.MetadataProvider?
  package var logLevel: Logger.Level

  package init(level: Logger.Level) { logLevel = level }

  package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  package func log(event: LogEvent) {
    var time = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    let all = metadata.merging(event.metadata ?? [:]) { $1 }
    func line(_ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata) -> String {
      Self.line(Self.isJournal ? nil : time, level, message, metadata)
    }
    let missing = Self.missing.exchange(0, ordering: .relaxed)
    let notice =
      missing == 0 ? "" : line(.warning, "\(missing) lines are missing here: nobody read them", [:])
    guard !Self.write(notice + line(event.level, "\(event.message)", all), milliseconds: 0) else { return }
    Self.missing.add(missing + 1, ordering: .relaxed)
  }

  /// Lines that nobody had room for, since the last one that was written.
  private static let missing = Atomic<Int>(0)

  /// Writes text as it is, in pieces that a pipe takes whole once it has room (PIPE_BUF in pipe(7)); gives up quietly, and
  /// is false, when nobody reads any more, or not in time.
  @discardableResult
  package static func write(_ text: String, milliseconds: Int32 = 2_000) -> Bool {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      var stream = pollfd(fd: STDERR_FILENO, events: Int16(POLLOUT), revents: 0)
      guard unsafe poll(&stream, 1, milliseconds) != 0 else { return false }
      let piece = Array(rest.prefix(4_096))
      guard (try? TextFile.write(piece, to: STDERR_FILENO)) != nil else { return false }
      rest = rest.dropFirst(piece.count)
    }
    return true
  }

  /// Says why a command failed. In the journal each line is an error, which `journalctl --priority` finds.
  package static func complain(_ text: String) {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    let beginning = isJournal ? "<\(priority(.error))>" : ""
    write(lines.map { "\(beginning)\($0)\n" }.joined())
  }

  /// Whether standard error goes to the journal (systemd.exec(5)).
  private static let isJournal: Bool = {
    var status = stat()
    guard let stream = unsafe getenv("JOURNAL_STREAM"), unsafe fstat(STDERR_FILENO, &status) == 0 else {
      return false
    }
    return unsafe String(cString: stream) == "\(status.st_dev):\(status.st_ino)"
  }()

  /// - Parameter time: nil for the journal.
  static func line(
    _ time: timespec?, _ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata
  ) -> String {
    let beginning = time.map { "\(stamp($0)) " } ?? "<\(priority(level))>"
    let name = level.rawValue
    let padding = String(repeating: " ", count: max(0, "critical".count - name.count))
    let extra = metadata.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
    // A line break inside a record would look like another record.
    let text = message.replacing("\n", with: " | ")
    return "\(beginning)\(name)\(padding) \(text)\(extra)\n"
  }

  private static func stamp(_ time: timespec) -> String {
    var seconds = time.tv_sec
    var parts = unsafe tm()
    unsafe gmtime_r(&seconds, &parts)
    let date = unsafe "\(parts.tm_year + 1900)-\(digits(parts.tm_mon + 1))-\(digits(parts.tm_mday))"
    let clock = unsafe "\(digits(parts.tm_hour)):\(digits(parts.tm_min)):\(digits(parts.tm_sec))"
    return "\(date)T\(clock).\(digits(Int32(time.tv_nsec / 1_000_000), width: 3))Z"
  }

  /// As of syslog(3).
  private static func priority(_ level: Logger.Level) -> Int32 {
    switch level {
    case .trace, .debug: LOG_DEBUG
    case .info: LOG_INFO
    case .notice: LOG_NOTICE
    case .warning: LOG_WARNING
    case .error: LOG_ERR
    case .critical: LOG_CRIT
    }
  }

  private static func digits(_ value: Int32, width: Int = 2) -> String {
    let text = String(value)
    return String(repeating: "0", count: max(0, width - text.count)) + text
  }
}
