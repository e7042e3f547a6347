internal import Glibc

/// The network namespace that this process is in.
///
/// An inode number is used again once its namespace is gone, so `identity` also holds the namespace's
/// cookie (`SO_NETNS_COOKIE`, Linux 5.14), which never is, and the boot that it counts from.
struct NetworkNamespace: Equatable, Sendable {
  let inode: UInt64
  let identity: String

  static func current() -> NetworkNamespace {
    var status = stat()
    let found = unsafe stat("/proc/self/ns/net", &status) == 0
    let boot = TextFile.text("/proc/sys/kernel/random/boot_id") ?? "?"
    return NetworkNamespace(
      inode: found ? UInt64(status.st_ino) : 0, identity: "\(boot)/\(cookie().map(String.init) ?? "?")")
  }

  private static func cookie() -> UInt64? {
    let socketNamespaceCookie: Int32 = 71  // SO_NETNS_COOKIE, asm-generic/socket.h
    let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var cookie: UInt64 = 0
    var length = socklen_t(MemoryLayout<UInt64>.size)
    guard unsafe getsockopt(descriptor, SOL_SOCKET, socketNamespaceCookie, &cookie, &length) == 0 else {
      return nil
    }
    return cookie
  }
}
