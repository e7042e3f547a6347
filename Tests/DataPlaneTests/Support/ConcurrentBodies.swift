import Glibc

/// Runs two bodies on POSIX threads of their own, so that no pool of threads can keep one of them waiting, and
/// returns when both have ended.
func runConcurrently(_ first: @escaping @Sendable () -> Void, _ second: @escaping @Sendable () -> Void) {
  final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }
  let threads = [first, second].map { body in
    var thread = pthread_t()
    let argument = unsafe Unmanaged.passRetained(Body(body))
    let result = unsafe pthread_create(
      &thread, nil,
      { argument in
        unsafe Unmanaged<Body>.fromOpaque(argument!).takeRetainedValue().run()
        return nil
      }, argument.toOpaque())
    precondition(result == 0, "pthread_create: \(result)")
    return thread
  }
  for thread in threads { pthread_join(thread, nil) }
}
