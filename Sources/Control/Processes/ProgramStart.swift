internal import Glibc

/// Starts programs with posix_spawn(3): the default signal mask and signals, and a process group of their own, so
/// that an interrupt typed at the terminal reaches them through this process alone.
enum ProgramStart {
  /// Arguments do not include the program's name. Descriptors become the program's 0, 1, 2, in their order.
  static func start(
    _ path: String, _ arguments: [String], descriptors: [Int32], environment: [String]
  ) throws(ChildProcess.Failure) -> pid_t {
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    for (target, descriptor) in descriptors.enumerated() {
      unsafe posix_spawn_file_actions_adddup2(&actions, descriptor, Int32(target))
    }

    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    var all = sigset_t()
    unsafe sigemptyset(&none)
    unsafe sigfillset(&all)
    unsafe posix_spawnattr_setsigmask(&attributes, &none)
    unsafe posix_spawnattr_setsigdefault(&attributes, &all)
    unsafe posix_spawnattr_setpgroup(&attributes, 0)
    let flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP
    unsafe posix_spawnattr_setflags(&attributes, Int16(flags))

    var argv = unsafe Self.vector([path] + arguments)
    var environment = unsafe Self.vector(environment)
    defer {
      for index in unsafe argv.indices { unsafe free(argv[index]) }
      for index in unsafe environment.indices { unsafe free(environment[index]) }
    }
    var child = pid_t()
    let result = unsafe posix_spawn(&child, path, &actions, &attributes, &argv, &environment)
    guard result == 0 else { throw .notStarted(errno: result) }
    return child
  }

  /// Copies on the heap, and nil at the end, as execve(2) wants them.
  static func vector(_ texts: [String]) -> [UnsafeMutablePointer<CChar>?] {
    unsafe texts.map { text in unsafe strdup(text) } + [nil]
  }
}
