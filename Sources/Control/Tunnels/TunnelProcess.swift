internal import Glibc

/// A process of ours that runs a tunnel.
struct TunnelProcess {
  let plan: TunnelPlan
  let processID: pid_t
  let start: ContinuousClock.Instant
  var isReady = false
  /// Whether it has been asked to end.
  private(set) var isStopping = false

  /// How tunnels' processes are started, the same for all.
  struct Program: Sendable {
    let path: String
    let environment: [String]

    /// The program that this process runs.
    ///
    /// - Parameter notificationPath: Where they say that they are ready.
    static func own(notificationPath: String) -> Program {
      var environment: [String] = []
      var entry = unsafe environ
      while let text = unsafe entry.pointee {
        let variable = unsafe String(cString: text)
        // The file says everything about tunnels, and whoever started us waits for our notifications alone.
        if !["GUISE_", "NOTIFY_SOCKET=", "WATCHDOG_"].contains(where: variable.hasPrefix) {
          environment.append(variable)
        }
        unsafe entry += 1
      }
      return Program(path: ownPath, environment: environment + ["NOTIFY_SOCKET=\(notificationPath)"])
    }

    /// Where this program lies; where another version has taken its place there, that one.
    private static var ownPath: String {
      var bytes = [UInt8](repeating: 0, count: Int(PATH_MAX))
      let count = unsafe bytes.withUnsafeMutableBytes { bytes in
        unsafe readlink("/proc/self/exe", bytes.baseAddress!.assumingMemoryBound(to: CChar.self), bytes.count)
      }
      let path = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
      let isReplaced = path.hasSuffix(deleted)
      let place = isReplaced ? String(path.dropLast(deleted.count)) : path
      return unsafe access(place, X_OK) == 0 ? place : "/proc/self/exe"
    }

    /// What proc(5) adds to the path of a program whose file is gone.
    private static let deleted = " (deleted)"
  }

  init(_ plan: TunnelPlan, takesOver: Bool, _ program: Program) throws(ChildProcess.Failure) {
    let arguments =
      plan.arguments + ["--parent=\(getpid())"] + (takesOver ? ["--takeover"] : [])
    let nothing = unsafe open("/dev/null", O_RDONLY | O_CLOEXEC)
    guard nothing >= 0 else { throw .notStarted(errno: errno) }
    defer { close(nothing) }
    processID = try ProgramStart.start(
      program.path, arguments, descriptors: [nothing, STDOUT_FILENO, STDERR_FILENO],
      environment: program.environment)
    self.plan = plan
    start = .now
  }

  /// How it ended; nil while it runs. Not to be asked again after that.
  func end() -> ProcessEnd? {
    var status: Int32 = 0
    guard unsafe waitpid(processID, &status, WNOHANG) == processID else { return nil }
    return ProcessEnd(waitStatus: status)
  }

  /// Once: a second signal would keep it from resetting its flows.
  mutating func stop() {
    guard !isStopping else { return }
    isStopping = true
    kill(processID, SIGTERM)
  }

  func send(_ signal: Int32) { kill(processID, signal) }
}
