import Glibc
import Synchronization

/// How a process ended.
enum Exit: Equatable, Sendable {
  case code(Int32)
  case signal(Int32)

  /// Decodes a status of waitpid(2) of a process that has ended.
  init(status: Int32) {
    let signal = status & 0x7f
    self = signal == 0 ? .code((status >> 8) & 0xff) : .signal(signal)
  }
}

/// A started program: what it printed so far, and how it ends.
///
/// It is killed, if it still runs, when the last reference goes or the test ends (see `Transcript`).
final class ChildProcess: Sendable {
  let title: String
  let pid: pid_t
  private let outputFile: CaptureFile
  private let logFile: CaptureFile
  private let exit = Mutex<Exit?>(nil)

  /// Starts `arguments[0]`, looked up in PATH, with nothing on standard input.
  ///
  /// - Parameter recorded: Whether a failing test shows what it printed.
  init(_ arguments: [String], title: String? = nil, recorded: Bool = true) throws {
    self.title = title ?? arguments.joined(separator: " ")
    outputFile = try CaptureFile()
    logFile = try CaptureFile()
    pid = try Self.spawn(arguments, output: outputFile.descriptor, log: logFile.descriptor)
    if recorded { Transcript.current?.add(self) }
  }

  deinit { kill() }

  /// Standard output so far.
  var output: String { outputFile.text }

  /// Standard error so far.
  var log: String { logFile.text }

  /// How it ended, or nil while it runs.
  func poll() -> Exit? {
    exit.withLock { exit in
      if exit == nil {
        var status: Int32 = 0
        if unsafe waitpid(pid, &status, WNOHANG) == pid { exit = Exit(status: status) }
      }
      return exit
    }
  }

  /// Sends a signal, unless it has ended.
  func send(_ signal: Int32) {
    exit.withLock { exit in
      if exit == nil { _ = Glibc.kill(pid, signal) }
    }
  }

  /// Waits until it ends by itself; throws when it takes longer than `limit`.
  @discardableResult
  func ended(within limit: Duration) async throws -> Exit {
    try await eventually("the end of \(title)", within: limit) { self.poll() }
  }

  /// Kills it and waits for that; nothing when it has ended.
  func kill() {
    exit.withLock { exit in
      guard exit == nil else { return }
      var status: Int32 = 0
      _ = Glibc.kill(pid, SIGKILL)
      while unsafe waitpid(pid, &status, 0) == -1 && errno == EINTR {}
      exit = Exit(status: status)
    }
  }

  /// With no signal blocked: the threads that tests run on block most of them, and programs would inherit that.
  private static func spawn(_ arguments: [String], output: Int32, log: Int32) throws -> pid_t {
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    unsafe posix_spawn_file_actions_adddup2(&actions, output, 1)
    unsafe posix_spawn_file_actions_adddup2(&actions, log, 2)

    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    unsafe sigemptyset(&none)
    unsafe posix_spawnattr_setsigmask(&attributes, &none)
    unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))

    var argv = unsafe arguments.map { unsafe strdup($0) }
    unsafe argv.append(nil)
    defer { for index in unsafe argv.indices { unsafe free(argv[index]) } }
    var pid: pid_t = 0
    let refusal = unsafe posix_spawnp(&pid, arguments[0], &actions, &attributes, argv, environ)
    guard refusal == 0 else { throw SystemError("start \(arguments[0])", errno: refusal) }
    return pid
  }
}

/// A file without a name that a process writes to and we read at any time.
private final class CaptureFile: Sendable {
  let descriptor: Int32
  private static let made = Mutex(0)

  init() throws {
    let number = Self.made.withLock { made in
      made += 1
      return made
    }
    let path = "/tmp/guise-e2e-\(getpid())-\(number)"
    let flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_APPEND
    descriptor = try SystemError.check("open \(path)", unsafe open(path, flags, 0o600))
    unsafe unlink(path)
  }

  deinit { close(descriptor) }

  var text: String {
    let size = Int(lseek(descriptor, 0, SEEK_END))
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      count = max(0, unsafe pread(descriptor, buffer.baseAddress, size, 0))
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
