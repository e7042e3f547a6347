import Glibc

/// A request of the test's own that the kernel refused.
struct SystemError: Error, CustomStringConvertible {
  let operation: String
  let errno: Int32

  init(_ operation: String, errno: Int32) {
    self.operation = operation
    self.errno = errno
  }

  var description: String { "\(operation): \(unsafe String(cString: strerror(errno)))" }

  /// Returns `result`, or throws `errno` when it is -1.
  @discardableResult
  static func check(_ operation: String, _ result: Int32) throws(SystemError) -> Int32 {
    guard result >= 0 else { throw SystemError(operation, errno: Glibc.errno) }
    return result
  }
}
