internal import DataPlane
internal import Glibc
internal import Synchronization
internal import Telemetry

/// Looks at the host's processes on a thread of its own, so that keys and signals need not wait for one that hangs.
/// It ends with the process.
final class WatchThread: Sendable {
  private let latest: Mutex<[ProcessWatch]>

  /// Goes on with `watch`; `announce` is called after each look.
  init(
    _ watch: HostWatch, interval: Double, _ announce: @escaping @Sendable () -> Void
  ) throws(KernelError) {
    latest = Mutex(watch.processes)
    _ = try WorkerThread(named: "guise-watch") { [weak self] _ in
      var watch = watch
      while true {
        usleep(UInt32(interval * 1e6))
        watch.look()
        let processes = watch.processes
        self?.latest.withLock { $0 = processes }
        announce()
      }
    }
  }

  var processes: [ProcessWatch] { latest.withLock { $0 } }
}
