internal import CLiburing
internal import DataPlane
internal import Glibc
internal import Synchronization

/// Two threads, each on a core of its own.
enum PinnedThreads {
  /// Runs two bodies at once and returns when both have ended; throws what one of them, or pinning it, threw.
  static func run(
    on cpus: CorePair, _ first: @escaping @Sendable () throws(KernelError) -> Void,
    _ second: @escaping @Sendable () throws(KernelError) -> Void
  ) throws(KernelError) {
    let start = StartLine()
    let threads = [
      PinnedThread(cpu: cpus.first, start, first), PinnedThread(cpu: cpus.second, start, second),
    ]
    for thread in threads { try thread.start() }
    for thread in threads { pthread_join(thread.identifier, nil) }
    for thread in threads { if let failure = thread.failure.withLock({ $0 }) { throw failure } }
  }
}

/// Where both threads wait until both are there.
private final class StartLine: Sendable {
  private let missing = Atomic(2)
  private let allPinned = Atomic(true)

  /// Whether both are pinned: neither can work without the other.
  func cross(isPinned: Bool) -> Bool {
    if !isPinned { allPinned.store(false, ordering: .releasing) }
    missing.subtract(1, ordering: .acquiringAndReleasing)
    while missing.load(ordering: .acquiring) > 0 {}
    return allPinned.load(ordering: .acquiring)
  }
}

@safe
private final class PinnedThread: @unchecked Sendable {
  private let cpu: Int32
  private let line: StartLine
  private let body: @Sendable () throws(KernelError) -> Void
  let failure = Mutex<KernelError?>(nil)
  private(set) var identifier = pthread_t()

  init(cpu: Int32, _ line: StartLine, _ body: @escaping @Sendable () throws(KernelError) -> Void) {
    self.cpu = cpu
    self.line = line
    self.body = body
  }

  func start() throws(KernelError) {
    let argument = unsafe Unmanaged.passRetained(self)
    let result = unsafe pthread_create(
      &identifier, nil,
      { argument in
        unsafe Unmanaged<PinnedThread>.fromOpaque(argument!).takeRetainedValue().run()
        return nil
      }, argument.toOpaque())
    guard result == 0 else {
      unsafe argument.release()
      throw KernelError("pthread_create", errno: result)
    }
  }

  private func run() {
    let pinned = guise_pin_thread(cpu)
    let bothArePinned = line.cross(isPinned: pinned == 0)
    guard pinned == 0 else {
      let error = KernelError("sched_setaffinity to core \(cpu)", errno: -pinned)
      return failure.withLock { $0 = error }
    }
    guard bothArePinned else { return }
    do throws(KernelError) {
      try body()
    } catch {
      failure.withLock { $0 = error }
    }
  }
}
