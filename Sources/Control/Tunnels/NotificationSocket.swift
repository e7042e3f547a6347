internal import CLiburing
internal import DataPlane
internal import Glibc

/// Where tunnels' processes say that they are ready (`ServiceNotifier` is the other end).
struct NotificationSocket: ~Copyable {
  private let descriptor: Int32
  /// What they find in `NOTIFY_SOCKET`.
  let path: String

  /// Has the kernel choose an abstract name (unix(7), autobind), which needs no file and goes with the socket.
  init() throws(KernelError) {
    let type = Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
    let descriptor = socket(AF_UNIX, type, 0)
    guard descriptor >= 0 else { throw KernelError("socket(AF_UNIX)", errno: errno) }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    var one: Int32 = 1
    var length = socklen_t(MemoryLayout<sa_family_t>.size)
    let failed = unsafe withUnsafeMutablePointer(to: &address) { address in
      unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        guard unsafe bind(descriptor, address, length) == 0 else { return true }
        length = socklen_t(MemoryLayout<sockaddr_un>.size)
        return unsafe getsockname(descriptor, address, &length) != 0
          || setsockopt(descriptor, SOL_SOCKET, SO_PASSCRED, &one, socklen_t(MemoryLayout<Int32>.size)) != 0
      }
    }
    guard !failed else {
      let error = errno
      close(descriptor)
      throw KernelError("bind(AF_UNIX)", errno: error)
    }
    let count = Int(length) - MemoryLayout.offset(of: \sockaddr_un.sun_path)!
    path = unsafe withUnsafeBytes(of: address.sun_path) { name in
      unsafe "@" + String(decoding: name[1..<count], as: UTF8.self)
    }
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }

  /// How many messages are read at a time: anybody on the host can send some.
  private static let messagesMax = 256

  /// The processes that say they are ready, or that they live, which they do once a second from then on, so that no single
  /// message has to get through; by the kernel's own account of who sent it.
  func takeReady() -> [pid_t] {
    var bytes = [UInt8](repeating: 0, count: 4_096)
    var senders: [pid_t] = []
    for _ in 0..<Self.messagesMax {
      var sender: Int32 = 0
      let count = unsafe guise_receive_from_process(descriptor, &bytes, bytes.count, &sender)
      guard count >= 0 else { break }
      let lines = String(decoding: bytes.prefix(Int(count)), as: UTF8.self).split(separator: "\n")
      if lines.contains("READY=1") || lines.contains("WATCHDOG=1") { senders.append(sender) }
    }
    return senders
  }
}
