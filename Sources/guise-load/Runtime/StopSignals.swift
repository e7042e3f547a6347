internal import Glibc

/// SIGINT and SIGTERM, taken by the main thread when it asks for them.
enum StopSignals {
  private enum Kind { case stop, wake }

  /// Keeps the signals for `wait`. Call before the first thread starts, which inherits the mask.
  static func block() {
    var set = makeSet()
    unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
  }

  /// Waits for a stop signal, `interruptWait` or the time-out; returns whether it was a stop signal.
  static func wait(milliseconds: Int) -> Bool {
    var set = makeSet()
    var timeout = timespec(tv_sec: milliseconds / 1000, tv_nsec: milliseconds % 1000 * 1_000_000)
    let signal = unsafe sigtimedwait(&set, nil, &timeout)
    return signal == SIGINT || signal == SIGTERM
  }

  /// Lets `wait` return early: SIGUSR1 serves for nothing else here.
  static func interruptWait() { kill(getpid(), SIGUSR1) }

  private static func makeSet() -> sigset_t {
    var set = sigset_t()
    unsafe sigemptyset(&set)
    for signal in [SIGINT, SIGTERM, SIGUSR1] { unsafe sigaddset(&set, signal) }
    return set
  }
}
