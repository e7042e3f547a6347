package import DataPlane
internal import Glibc

/// Sockets with a name in the file system (unix(7)).
package enum UnixSocket {
  /// A socket bound to `path`, in place of whatever had that name, with these permissions.
  package static func bound(to path: String, mode: UInt32) throws(KernelError) -> Int32 {
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw KernelError("socket(AF_UNIX)", errno: errno) }
    unsafe unlink(path)
    // The name is made with the socket's own permissions, so that there is no moment of wider ones.
    fchmod(descriptor, mode)
    let mask = umask(0o777 & ~mode)
    defer { umask(mask) }
    let result = unsafe withAddress(path) { address, length in unsafe bind(descriptor, address, length) }
    guard result == 0 else {
      let error = result == nil ? ENAMETOOLONG : errno
      close(descriptor)
      throw KernelError("bind(\(path))", errno: error)
    }
    return descriptor
  }

  /// A connection that waits no longer than that for anything.
  static func connected(to path: String, secondsMax: Int) throws(ControlClient.Failure) -> Int32 {
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw .refused(errno: errno) }
    var limit = timeval(tv_sec: secondsMax, tv_usec: 0)
    for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
      unsafe setsockopt(descriptor, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
    }
    let result = connect(descriptor, to: path)
    guard result == 0 else {
      let error = result == nil ? ENAMETOOLONG : errno
      close(descriptor)
      throw error == ECONNREFUSED || error == ENOENT ? .dead : .refused(errno: error)
    }
    return descriptor
  }

  /// The result of connect(2); nil when the path is too long for an address. `@` in front stands for the zero that
  /// abstract names begin with (unix(7)).
  package static func connect(_ descriptor: Int32, to path: String) -> Int32? {
    unsafe withAddress(path) { unsafe Glibc.connect(descriptor, $0, $1) }
  }

  /// nil when the path is too long for an address.
  private static func withAddress(
    _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
  ) -> Int32? {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    var bytes = Array(path.utf8)
    if bytes.first == UInt8(ascii: "@") { bytes[0] = 0 }
    guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return nil }
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
    return unsafe withUnsafePointer(to: &address) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe body($0, socklen_t(MemoryLayout.offset(of: \sockaddr_un.sun_path)! + bytes.count))
      }
    }
  }
}
