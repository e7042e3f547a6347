internal import CLiburing
internal import DataPlane
internal import Synchronization

/// Two threads, each on a core of its own.
enum PinnedThreads {
  /// Runs two bodies at once and returns when both have ended; throws what one of them, or pinning it, threw.
  static func run(
    on cpus: CorePair, _ first: @escaping @Sendable () throws(KernelError) -> Void,
    _ second: @escaping @Sendable () throws(KernelError) -> Void
  ) throws(KernelError) {
    let line = StartLine()
    var threads: [WorkerThread] = []
    do throws(KernelError) {
      for (cpu, body) in [(cpus.first, first), (cpus.second, second)] {
        let thread = try WorkerThread(named: "pinned-\(cpu)") { ready in
          let pinned = guise_pin_thread(cpu)
          ready(pinned == 0 ? nil : KernelError("sched_setaffinity to core \(cpu)", errno: -pinned))
          line.run(body)
        }
        threads.append(thread)
        try thread.waitUntilReady()
      }
      line.open()
    } catch {
      line.callOff()
      for thread in threads { thread.join() }
      throw error
    }
    for thread in threads { thread.join() }
    if let failure = line.failure.withLock({ $0 }) { throw failure }
  }
}

/// Where both threads wait until both are pinned: neither can work without the other.
private final class StartLine: Sendable {
  private enum State {
    static let closed = 0
    static let opened = 1
    static let calledOff = 2
  }
  private let state = Atomic(State.closed)
  let failure = Mutex<KernelError?>(nil)

  func open() { state.store(State.opened, ordering: .releasing) }
  func callOff() { state.store(State.calledOff, ordering: .releasing) }

  /// Waits, so that both start at once, and runs the body unless it was called off.
  func run(_ body: () throws(KernelError) -> Void) {
    while state.load(ordering: .acquiring) == State.closed {}
    guard state.load(ordering: .relaxed) == State.opened else { return }
    do throws(KernelError) {
      try body()
    } catch {
      failure.withLock { $0 = error }
    }
  }
}
