internal import Glibc

/// Options of sockets of any kind.
package enum SocketOption {
  /// Sets an option of four bytes (setsockopt(2)); `operation` is what an error names.
  package static func set(
    _ descriptor: Int32, _ level: Int32, _ option: Int32, _ value: Int32, _ operation: StaticString
  ) throws(KernelError) {
    var value = value
    let result = unsafe setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    try KernelError.checkErrno("\(operation)", result)
  }
}
