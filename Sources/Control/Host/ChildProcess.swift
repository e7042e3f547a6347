internal import Glibc

/// Runs one short-lived program to its end and gives what it printed (posix_spawn(3)).
///
/// The child has a process group of its own, so that an interrupt typed at the terminal does not reach
/// a clean-up that is under way, and the default signal mask.
enum ChildProcess {
  struct Outcome: Equatable {
    /// The exit status, or 128 plus the signal that ended it.
    var status: Int32
    var output: String
    var errors: String
  }

  enum Failure: Error, Equatable {
    case notStarted(errno: Int32)
    case timedOut
  }

  static let secondsMax = 20
  /// Bytes that a pipe takes before anybody reads (pipe(7)).
  static let inputBytesMax = 65_536

  static func run(_ path: String, _ arguments: [String], input: String = "") throws(Failure) -> Outcome {
    precondition(input.utf8.count <= inputBytesMax, "the input must fit into the pipe")
    var stdin = try Pipe()
    var stdout = try Pipe()
    var stderr = try Pipe()
    let child = try spawn(path, arguments, [stdin.readEnd, stdout.writeEnd, stderr.writeEnd])
    stdin.closeReadEnd()
    stdout.closeWriteEnd()
    stderr.closeWriteEnd()

    stdin.write(input)
    stdin.closeWriteEnd()
    guard let texts = collect([stdout.readEnd, stderr.readEnd]) else {
      kill(child, SIGKILL)
      _ = wait(for: child)
      throw .timedOut
    }
    return Outcome(status: wait(for: child), output: texts[0], errors: texts[1])
  }

  /// Starts the program with the three descriptors as its standard input, output and error.
  private static func spawn(
    _ path: String, _ arguments: [String], _ descriptors: [Int32]
  ) throws(Failure) -> pid_t {
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

    // Messages and numbers in the form that is parsed, whatever the operator's language.
    let search = unsafe getenv("PATH").map { unsafe String(cString: $0) } ?? "/usr/sbin:/usr/bin:/sbin:/bin"
    var argv = unsafe Self.vector([path] + arguments)
    var environment = unsafe Self.vector(["LC_ALL=C", "PATH=\(search)"])
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
  private static func vector(_ texts: [String]) -> [UnsafeMutablePointer<CChar>?] {
    unsafe texts.map { text in unsafe strdup(text) } + [nil]
  }

  /// Reads all descriptors to their end; nil when that takes longer than `secondsMax`.
  private static func collect(_ descriptors: [Int32]) -> [String]? {
    var bytes = [[UInt8]](repeating: [], count: descriptors.count)
    var polls = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    var chunk = [UInt8](repeating: 0, count: 16_384)
    let deadline = time(nil) + secondsMax
    while polls.contains(where: { $0.fd >= 0 }) {
      guard unsafe poll(&polls, nfds_t(polls.count), 1000) >= 0 || errno == EINTR else { return nil }
      guard time(nil) < deadline else { return nil }
      for index in polls.indices where polls[index].fd >= 0 && polls[index].revents != 0 {
        let count = unsafe read(polls[index].fd, &chunk, chunk.count)
        if count > 0 {
          bytes[index] += chunk[..<count]
        } else if count == 0 || errno != EINTR {
          polls[index].fd = -1  // poll(2) passes over it
        }
      }
    }
    return bytes.map { String(decoding: $0, as: UTF8.self) }
  }

  private static func wait(for child: pid_t) -> Int32 {
    var status: Int32 = 0
    while unsafe waitpid(child, &status, 0) < 0, errno == EINTR {}
    let signal = status & 0x7f
    return signal == 0 ? (status >> 8) & 0xff : 128 + signal
  }
}
