internal import Glibc

/// Standard output and standard error, unbuffered.
package enum StandardStream: Int32 {
  case output = 1
  case error = 2

  /// Writes all of `text`; gives up quietly when nobody reads any more.
  package func write(_ text: String) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let written = unsafe rest.withUnsafeBytes { unsafe Glibc.write(rawValue, $0.baseAddress, $0.count) }
      if written < 0 && errno == EINTR { continue }
      guard written > 0 else { return }
      rest = rest.dropFirst(written)
    }
  }

  package var isTerminal: Bool { isatty(rawValue) == 1 }
}
