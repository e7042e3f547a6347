internal import Glibc

/// Takes this process's signals one by one, on the thread that asks, in place of signal handlers.
///
/// The signals are blocked in the calling thread and in every thread it starts from then on, so they wait
/// until they are asked for: an interrupt during set-up takes effect when set-up is complete and can be
/// undone.
struct SignalWait {
  enum Arrival: Equatable {
    /// SIGINT, SIGTERM, or SIGHUP where it does not reload: the terminal is gone, and nobody sees the log any
    /// more. A process that was started with SIGHUP ignored (nohup(1)) goes on.
    case stop(name: String)
    /// SIGHUP of a process that has a configuration to read again.
    case reload
    /// SIGCHLD: look who has ended.
    case childEnded
    /// SIGUSR1.
    case showStatistics
    /// SIGUSR2 of a gateway: another process wants to go on with the flows.
    case handOver(to: Int32)
    /// SIGUSR2 of a process that runs others: go on as the program that has taken this one's place.
    case renew
  }

  private var set = sigset_t()
  private let supervises: Bool

  /// Blocks the signals. To be called on the main thread before any other is started.
  ///
  /// - Parameter supervises: Whether this process has a configuration file and others that it runs by it.
  init(supervises: Bool = false) {
    self.supervises = supervises
    unsafe sigemptyset(&set)
    let kinds = supervises ? [SIGHUP, SIGCHLD] : []
    for signal in [SIGINT, SIGTERM, SIGUSR1, SIGUSR2] + kinds { unsafe sigaddset(&set, signal) }
    if !supervises, !Self.isIgnored(SIGHUP) { unsafe sigaddset(&set, SIGHUP) }
    unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
    // A reader of the log that goes away must not end the gateway.
    signal(SIGPIPE, SIG_IGN)
  }

  /// Waits up to `milliseconds` for the next signal (sigtimedwait(2)).
  func next(milliseconds: Int) -> Arrival? {
    var set = set
    var timeout = timespec(tv_sec: milliseconds / 1000, tv_nsec: milliseconds % 1000 * 1_000_000)
    var details = unsafe siginfo_t()
    switch unsafe sigtimedwait(&set, &details, &timeout) {
    case SIGINT: return .stop(name: "SIGINT")
    case SIGTERM: return .stop(name: "SIGTERM")
    case SIGHUP: return supervises ? .reload : .stop(name: "SIGHUP")
    case SIGCHLD: return .childEnded
    case SIGUSR1: return .showStatistics
    case SIGUSR2: return supervises ? .renew : .handOver(to: unsafe details._sifields._kill.si_pid)
    default: return nil
    }
  }

  private static func isIgnored(_ signal: Int32) -> Bool {
    var action = sigaction()
    guard unsafe sigaction(signal, nil, &action) == 0 else { return false }
    let (handler, ignore) = unsafe (action.__sigaction_handler.sa_handler, SIG_IGN)
    return unsafe unsafeBitCast(handler, to: Int.self) == unsafeBitCast(ignore, to: Int.self)
  }
}
