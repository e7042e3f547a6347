internal import DataPlane
internal import Glibc
internal import Telemetry

/// Tells whoever started this process how it is (sd_notify(3)): systemd, or `TunnelSupervisor`.
struct ServiceNotifier: ~Copyable {
  /// nil where nobody wants to know: there is no `NOTIFY_SOCKET`, or no such socket.
  private let descriptor: Int32?

  init() { self.init(path: unsafe getenv("NOTIFY_SOCKET").map { unsafe String(cString: $0) } ?? "") }

  init(path: String) { descriptor = Self.connected(path) }

  private static func connected(_ path: String) -> Int32? {
    guard !path.isEmpty else { return nil }
    let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return nil }
    guard UnixSocket.connect(descriptor, to: path) == 0 else {
      close(descriptor)
      return nil
    }
    return descriptor
  }

  /// Whether somebody wants to know.
  var isHeard: Bool { descriptor != nil }

  deinit { if let descriptor { close(descriptor) } }

  /// The service works: its set-up, or reading its configuration again, is complete.
  func ready(_ status: String) { send("READY=1\nSTATUS=\(status)") }

  /// The configuration is about to be read again (`Type=notify-reload`).
  func reloading() {
    var now = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &now)
    send("RELOADING=1\nMONOTONIC_USEC=\(now.tv_sec * 1_000_000 + now.tv_nsec / 1_000)")
  }

  func stopping() { send("STOPPING=1") }

  /// It lives: to be said more often than the service manager's patience lasts.
  func alive() { send("WATCHDOG=1") }

  /// Nobody is waited for: the state of a service is not worth holding it up.
  private func send(_ text: String) {
    guard let descriptor else { return }
    let bytes = Array(text.utf8)
    _ = unsafe Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
  }
}
