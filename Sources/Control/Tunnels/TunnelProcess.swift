internal import Glibc

/// A process of ours that runs a tunnel.
struct TunnelProcess {
  /// nil: what another program made it.
  let plan: TunnelPlan?
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
      return Program(path: OwnProgram.path, environment: environment + ["NOTIFY_SOCKET=\(notificationPath)"])
    }
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

  /// One that this process started while it was another program (`Renewal`).
  init(running processID: pid_t) {
    plan = nil
    self.processID = processID
    start = .now
    isReady = true
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
