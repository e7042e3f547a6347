internal import CLiburing
internal import Glibc
package import Logging

/// One line per record on standard error: time (UTC), level, text.
///
/// A line is written in one call, so that lines of several processes do not mix.
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
    Self.write(Self.line(time, event.level, "\(event.message)", all))
  }

  /// Writes text as it is.
  package static func write(_ text: String) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
      guard count > 0 || errno == EINTR else { return }
      rest = rest.dropFirst(max(count, 0))
    }
  }

  static func line(
    _ time: timespec, _ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata
  ) -> String {
    var seconds = time.tv_sec
    var parts = unsafe tm()
    unsafe gmtime_r(&seconds, &parts)
    let date = unsafe "\(parts.tm_year + 1900)-\(digits(parts.tm_mon + 1))-\(digits(parts.tm_mday))"
    let clock = unsafe "\(digits(parts.tm_hour)):\(digits(parts.tm_min)):\(digits(parts.tm_sec))"
    let milliseconds = digits(Int32(time.tv_nsec / 1_000_000), width: 3)
    let name = level.rawValue
    let padding = String(repeating: " ", count: max(0, "critical".count - name.count))
    let extra = metadata.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
    // A line break inside a record would look like another record.
    let text = message.replacing("\n", with: " | ")
    return "\(date)T\(clock).\(milliseconds)Z \(name)\(padding) \(text)\(extra)\n"
  }

  private static func digits(_ value: Int32, width: Int = 2) -> String {
    let text = String(value)
    return String(repeating: "0", count: max(0, width - text.count)) + text
  }
}
