internal import Glibc

/// A request the kernel refused: which operation, and its `errno`.
///
/// Operations are named as in their man page ("ioctl(TUNSETIFF)", "bind", "io_uring_setup"), so that
/// whoever reads the message can look them up.
package struct KernelError: Error, Equatable, Sendable, CustomStringConvertible {
  package let operation: String
  package let errno: Int32

  package init(_ operation: String, errno: Int32) {
    self.operation = operation
    self.errno = errno
  }

  /// No local port is left for a UDP socket: inet_autobind's answer in connect(2).
  var isPortSpaceFull: Bool { errno == EAGAIN }

  /// Nothing is wrong but that others have it all: ports (connect(2)), descriptors, or buffers.
  var isForWantOfRoom: Bool { errno == EAGAIN || errno == EMFILE || errno == ENFILE || errno == ENOBUFS }

  package var description: String {
    "\(operation): \(Self.reason(errno)) (errno \(errno))"
  }

  /// An `errno` in words (strerror(3)).
  package static func reason(_ errno: Int32) -> String { unsafe String(cString: strerror(errno)) }

  /// Returns `result`, or throws when it is a negative `errno` (the shim's and liburing's convention).
  @discardableResult
  package static func check(_ operation: @autoclosure () -> String, _ result: Int32) throws(KernelError)
    -> Int32
  {
    guard result >= 0 else { throw KernelError(operation(), errno: -result) }
    return result
  }

  /// Returns `result`, or throws `errno` when it is -1 (the C library's convention).
  @discardableResult
  package static func checkErrno(_ operation: @autoclosure () -> String, _ result: Int32) throws(KernelError)
    -> Int32
  {
    guard result >= 0 else { throw KernelError(operation(), errno: Glibc.errno) }
    return result
  }
}
