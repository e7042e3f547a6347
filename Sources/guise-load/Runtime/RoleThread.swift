internal import CLiburing
internal import Glibc
internal import Synchronization

/// A thread that plays one role (sending, receiving, …) and leaves a result or a failure behind.
final class RoleThread<Value: Sendable>: Sendable {
  private let name: String
  private let outcome = Mutex<Result<Value, LoadFailure>?>(nil)
  private let identifier = Mutex<pthread_t>(0)

  /// Starts at once. `name` shows in ps(1) and perf(1): at most 15 bytes.
  init(name: String, _ body: @escaping @Sendable () throws(LoadFailure) -> Value) throws(LoadFailure) {
    self.name = name
    let entry = ThreadEntry {
      _ = unsafe guise_name_thread(name)
      let result = Result { () throws(LoadFailure) in try body() }
      self.outcome.withLock { $0 = result }
      StopSignals.interruptWait()
    }
    let argument = unsafe Unmanaged.passRetained(entry)
    let result = identifier.withLock { identifier in
      unsafe pthread_create(&identifier, nil, runThreadEntry, argument.toOpaque())
    }
    guard result == 0 else {
      unsafe argument.release()
      throw LoadFailure("pthread_create", errno: result)
    }
  }

  /// Whether `join` would return at once.
  var isFinished: Bool { outcome.withLock { $0 != nil } }

  /// Waits for the end, and returns what the role left or throws what it failed with. Call it once.
  func join() throws(LoadFailure) -> Value {
    let thread = identifier.withLock { $0 }
    pthread_join(thread, nil)
    guard let result = outcome.withLock({ $0 }) else {
      throw LoadFailure("the \(name) thread left no result")
    }
    return try result.get()
  }
}

/// What pthread_create(3) carries to the new thread.
private final class ThreadEntry: Sendable {
  let run: @Sendable () -> Void

  init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

private func runThreadEntry(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  guard let argument = unsafe argument else { return nil }
  unsafe Unmanaged<ThreadEntry>.fromOpaque(argument).takeRetainedValue().run()
  return nil
}
