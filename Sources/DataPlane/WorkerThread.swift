internal import CLiburing
internal import Glibc
internal import Synchronization

/// A POSIX thread that reports once whether it could start its work.
package final class WorkerThread: Sendable {
  /// The work, told how to report. Reporting is over when it returns.
  package typealias Body = @Sendable (_ ready: (KernelError?) -> Void) -> Void

  @safe
  private final class Start: @unchecked Sendable {
    let name: String
    let body: Body
    let outcome = Mutex<KernelError?>(nil)
    let semaphore: UnsafeMutablePointer<sem_t>

    init(name: String, body: @escaping Body) {
      self.name = name
      self.body = body
      unsafe semaphore = .allocate(capacity: 1)
      unsafe semaphore.initialize(to: sem_t())
      unsafe sem_init(semaphore, 0, 0)
    }

    deinit {
      unsafe sem_destroy(semaphore)
      unsafe semaphore.deallocate()
    }
  }

  private let start: Start
  private let thread: pthread_t

  /// Throws EAGAIN when the system has no room for a thread (pthread_create(3)).
  package init(named name: String, _ body: @escaping Body) throws(KernelError) {
    start = Start(name: name, body: body)
    var thread = pthread_t()
    let argument = unsafe Unmanaged.passRetained(start)
    let result = unsafe pthread_create(
      &thread, nil,
      { argument in
        let start = unsafe Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue()
        _ = unsafe guise_name_thread(start.name)
        guise_make_timers_precise()
        start.body { error in
          start.outcome.withLock { $0 = error }
          unsafe sem_post(start.semaphore)
        }
        return nil
      }, argument.toOpaque())
    guard result == 0 else {
      unsafe argument.release()
      throw KernelError("pthread_create", errno: result)
    }
    self.thread = thread
  }

  /// Returns when the body has reported; throws what it reported.
  package func waitUntilReady() throws(KernelError) {
    while unsafe sem_wait(start.semaphore) != 0 {}
    if let error = start.outcome.withLock({ $0 }) { throw error }
  }

  /// CPU time that it has taken, in user mode and in the kernel (pthread_getcpuclockid(3)). Not after `join`.
  var processorSeconds: Double? {
    var clock = clockid_t()
    var time = timespec()
    guard unsafe pthread_getcpuclockid(thread, &clock) == 0, unsafe clock_gettime(clock, &time) == 0 else {
      return nil
    }
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  package func join() { pthread_join(thread, nil) }
}
