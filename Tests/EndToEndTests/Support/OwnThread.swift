import Foundation
import Synchronization

/// Runs `body` on a new thread and returns its result.
///
/// What `body` does to its thread (network namespace, system call filter) ends with that thread, and
/// holds for the programs that it starts.
func onOwnThread<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) throws -> Result {
  let outcome = Mutex<Swift.Result<Result, any Error>?>(nil)
  let done = DispatchSemaphore(value: 0)
  let transcript = Transcript.current
  do {
    let thread = Thread {
      let result = Swift.Result { try Transcript.$current.withValue(transcript) { try body() } }
      outcome.withLock { $0 = result }
      done.signal()
    }
    thread.start()
    done.wait()
  }
  return try outcome.withLock { $0! }.get()
}

/// System calls that glibc's header hides behind `_GNU_SOURCE`, or declares with `...`.
enum HiddenCall {
  /// setns(2) with CLONE_NEWNET: moves the calling thread into a network namespace.
  static func enterNetwork(of descriptor: Int32) -> Int32 {
    typealias Call = @convention(c) (Int32, Int32) -> Int32
    return unsafe unsafeBitCast(dlsym(nil, "setns"), to: Call.self)(descriptor, 0x4000_0000)
  }

  /// prctl(2).
  static func prctl(_ option: Int32, _ a: UInt, _ b: UInt) -> Int32 {
    typealias Call = @convention(c) (Int32, UInt, UInt, UInt, UInt) -> Int32
    return unsafe unsafeBitCast(dlsym(nil, "prctl"), to: Call.self)(option, a, b, 0, 0)
  }
}
