internal import Glibc

/// Short sleeps of a role's thread.
enum ThreadSleep {
  static func nanoseconds(_ count: UInt64) {
    var time = timespec(tv_sec: Int(count / 1_000_000_000), tv_nsec: Int(count % 1_000_000_000))
    unsafe nanosleep(&time, nil)
  }

  /// Lets sleeps of this thread, and of those it starts, end on time instead of up to 50 us late
  /// (prctl(2), PR_SET_TIMERSLACK). Best effort.
  static func makePrecise() {
    let file = unsafe open("/proc/self/timerslack_ns", O_WRONLY | O_CLOEXEC)
    guard file >= 0 else { return }
    _ = unsafe write(file, "1", 1)
    close(file)
  }
}
