internal import Glibc

/// Why a command could not do what it was asked to: one line for the user, which says what to do.
struct LoadFailure: Error, Equatable {
  let message: String

  init(_ message: String) { self.message = message }

  /// The kernel refused `operation` (named as in its man page); `remedy` says what may help.
  init(_ operation: String, errno: Int32, remedy: String? = nil) {
    let reason = unsafe String(cString: strerror(errno))
    message = "\(operation): \(reason)" + (remedy.map { "; \($0)" } ?? "")
  }
}
