internal import DataPlane
internal import Logging

/// Which engine carries the packets.
enum EngineChoice {
  /// The engine asked for, or io_uring where it is permitted and epoll elsewhere.
  ///
  /// Tries io_uring out before anything on the host is changed. `tryUring` is what that does, told the number of workers.
  static func engine(
    asked: EngineKind?, workers: Int = 1, _ log: Logger, sysctl: Sysctl = Sysctl(),
    tryUring: (Int) throws(KernelError) -> Void = tryUring(workers:)
  ) throws(SetupError) -> EngineKind {
    guard asked != .epoll else { return .epoll }
    do throws(KernelError) {
      try tryUring(workers)
      return .uring
    } catch {
      guard let refusal = UringRefusal(error, sysctl: sysctl) else { throw .refusal(error) }
      guard asked == nil else { throw .engineUnavailable(refusal) }
      log.notice("io_uring is out of use (\(refusal.reason)): going on with epoll")
      return .epoll
    }
  }

  /// Throws what keeps so many workers from a ring each.
  static func tryUring(workers: Int) throws(KernelError) {
    try LockedMemory.require(workers: workers)
    try UringProbe.run()
  }
}
