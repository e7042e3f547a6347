internal import DataPlane
internal import Glibc
internal import Logging

/// One tunnel of a configuration file, and the process that runs it: started, replaced, started again after it
/// died, ended.
struct Tunnel {
  /// What it shall be; nil once it is of no file any more.
  private(set) var plan: TunnelPlan?
  let name: String
  private let program: TunnelProcess.Program
  private let log: Logger

  private var process: TunnelProcess?
  /// Beside `process` until it has taken over.
  private var successor: TunnelProcess?
  /// Those whose place a successor has taken, until they end.
  private var replaced: [TunnelProcess] = []
  /// Those that were killed or failed since one was up: what they left on the host is for the next one, or to be undone.
  private var fallen: [TunnelProcess] = []
  /// When to start a process, as there is none; nil while one runs or none shall.
  private var due: ContinuousClock.Instant?
  private var delay = RestartDelay()
  /// How long a successor may take where the settings have changed once more.
  private static let patience = Duration.seconds(10)
  /// The last are the ones that may have left something.
  private static let fallenMax = 8
  /// Whether a process has come up, or died, since the tunnel is there.
  private(set) var hasSettled = false
  private(set) var failureCount = 0

  /// Not started yet: see `advance`.
  init(_ plan: TunnelPlan, _ program: TunnelProcess.Program, _ log: Logger) {
    self.plan = plan
    name = plan.name
    self.program = program
    self.log = log
    due = .now
  }

  /// One that another program has left, and that is of no file.
  init(leftOver running: RunningTunnel, _ program: TunnelProcess.Program, _ log: Logger) {
    name = running.name
    self.program = program
    self.log = log
    process = TunnelProcess(running: running.processID)
  }

  var isUp: Bool { process?.isReady == true }
  /// Whether the device, ports and addresses of a process are about to be free.
  var isEnding: Bool { process?.isStopping == true || successor?.isStopping == true }
  /// Whether nothing is left of it.
  var isGone: Bool { plan == nil && process == nil && successor == nil && replaced.isEmpty }

  /// Whether at most one process is there, and ready.
  var isCalm: Bool { successor == nil && replaced.isEmpty && !isEnding && process?.isReady != false }
  /// The process that carries it.
  var running: RunningTunnel? {
    process.map { RunningTunnel(name: name, processID: $0.processID) }
  }

  /// Of what carries it. A process that is starting would be ended by the signal.
  func showStatistics() {
    if let process, process.isReady { process.send(SIGUSR1) }
  }

  func send(_ signal: Int32) {
    for process in [process, successor].compactMap(\.self) + replaced { process.send(signal) }
  }

  /// Has a process of this program go on with the flows of one that another program has left, or follow it where
  /// flows are not kept.
  mutating func renew(_ processID: pid_t) {
    guard let plan else { return }
    due = nil
    process = TunnelProcess(running: processID)
    guard plan.configuration.canSucceed(plan.configuration) else {
      log.notice("tunnel \(name): its flows begin anew")
      process?.stop()
      return
    }
    successor = start(plan, takesOver: true)
  }

  // MARK: - What the file says

  mutating func stop() {
    plan = nil
    due = nil
    process?.stop()
    successor?.stop()
    if process == nil, successor == nil { undoFallen() }
  }

  /// One of them ended: one that was killed or failed may have left something.
  private mutating func note(_ old: TunnelProcess, _ end: ProcessEnd) {
    guard end != .status(0) else { return }
    fallen.append(old)
    if fallen.count > Self.fallenMax { fallen.removeFirst() }
  }

  /// Nobody will follow them.
  private mutating func undoFallen() {
    for process in fallen { Leftovers.undo(of: process.processID, log) }
    fallen = []
  }

  /// Whether a process that is started now can go on with all that they left.
  private var canFollowFallen: Bool {
    guard let plan else { return false }
    return fallen.allSatisfy { $0.plan.map { plan.configuration.canSucceed($0.configuration) } ?? true }
  }

  /// Whether it is what `next` says, or about to be.
  func follows(_ next: TunnelPlan) -> Bool {
    guard next == plan else { return false }
    guard let process, successor == nil, !process.isStopping else { return true }
    return process.plan == next
  }

  /// Makes it what `next` says: in the running process's place with its flows if that can be, or after it.
  mutating func change(to next: TunnelPlan) {
    guard !follows(next) else { return }
    let previous = plan
    plan = next
    hasSettled = false
    if let successor {
      // It may have the flows already, and is replaced in its turn; but what it waits for may never come.
      if successor.start.duration(to: .now) > Self.patience { self.successor?.stop() }
    } else if process != nil, previous != nil {
      replaceProcess()
    } else {
      if !canFollowFallen { undoFallen() }
      // Whatever it waits for: the new settings may be the remedy.
      due = due.map { _ in .now }
    }
  }

  /// Has another process take the place of one with former settings.
  private mutating func replaceProcess() {
    // One that ends is followed by another anyway.
    guard let running = process, !running.isStopping, let next = plan else { return }
    let canSucceed = running.plan.map { next.configuration.canSucceed($0.configuration) } ?? true
    if running.isReady, !canSucceed, let obstacle = Self.obstacle(to: next.configuration) {
      return keep(running, "\(obstacle)")
    }
    guard running.isReady, canSucceed else {
      log.notice("tunnel \(name): changed so that its flows begin anew")
      process?.stop()
      return
    }
    log.notice("tunnel \(name): changed; another process takes its flows over")
    successor = start(next, takesOver: true)
  }

  // MARK: - What processes do

  /// Somebody says that it is ready. Whether it is one of ours.
  mutating func noteReady(_ processID: pid_t) -> Bool {
    if let running = process, running.processID == processID {
      guard !running.isReady else { return true }
      process?.isReady = true
      hasSettled = true
      fallen = []
      return true
    }
    guard successor?.processID == processID else { return false }
    // It has what it needs of the old one, which ends by itself; where it left nothing to take over, it does not.
    if var old = process {
      old.stop()
      replaced.append(old)
    }
    process = successor
    process?.isReady = true
    successor = nil
    hasSettled = true
    fallen = []
    // Changed once more while it took over.
    if let plan, process?.plan != plan {
      hasSettled = false
      replaceProcess()
    }
    return true
  }

  /// Takes note of processes that have ended, and starts one when it is time and `mayStart`.
  mutating func advance(mayStart: Bool, now: ContinuousClock.Instant = .now) {
    replaced.removeAll { $0.end() != nil }
    if let old = process, let end = old.end() {
      process = nil
      if successor == nil { followEnd(of: old, end, now: now) } else { note(old, end) }
    }
    if let next = successor, let end = next.end() {
      successor = nil
      if process == nil { followEnd(of: next, end, now: now) } else { followFailure(of: next, end) }
    }
    if let plan, process == nil, successor == nil, mayStart, let due, due <= now {
      self.due = nil
      process = start(plan, takesOver: false)
      if process == nil { self.due = now + delay.after(running: .zero) }
    }
  }

  /// The last process ended that the tunnel had.
  private mutating func followEnd(of old: TunnelProcess, _ end: ProcessEnd, now: ContinuousClock.Instant) {
    note(old, end)
    if !canFollowFallen { undoFallen() }
    guard let plan else { return }
    guard !old.isStopping else {
      due = now
      return
    }
    let wait = old.plan == plan ? delay.after(running: now - old.start) : .zero
    due = now + wait
    failureCount += 1
    hasSettled = true
    log.log(
      level: end == .status(0) ? .notice : .error,
      "tunnel \(name): process \(old.processID) \(end); starting it again in \(wait)")
  }

  /// A process ended that should have taken over, and the one before it is still there.
  private mutating func followFailure(of next: TunnelProcess, _ end: ProcessEnd) {
    guard plan != nil else { return }
    if end == .status(SetupError.takeOverImpossibleStatus) {
      log.notice("tunnel \(name): its flows begin anew")
      process?.stop()
    } else if next.isStopping || next.plan != plan {
      // Another change came before it was ready.
      replaceProcess()
    } else {
      keep(process, "as process \(next.processID) says")
    }
  }

  /// Stays with what a process has, where the new settings are of no use.
  private mutating func keep(_ running: TunnelProcess?, _ reason: String) {
    log.error("tunnel \(name): the new settings do not work, \(reason); it goes on with the old ones")
    plan = running?.plan ?? plan
    failureCount += 1
    hasSettled = true
  }

  /// Why a process with these settings would not start, as far as that can be told while another has the tunnel's end.
  private static func obstacle(to configuration: GatewayConfiguration) -> SetupError? {
    do throws(SetupError) {
      _ = try Confinement.choose(
        configuration, .current(), Logger(label: "") { _ in SwiftLogNoOpLogHandler() })
      if case .path(let path) = configuration.flowFile { try FlowStore.checkPlace(path) }
      return nil
    } catch {
      return error
    }
  }

  private mutating func start(_ plan: TunnelPlan, takesOver: Bool) -> TunnelProcess? {
    do throws(ChildProcess.Failure) {
      let process = try TunnelProcess(plan, takesOver: takesOver, program)
      log.info("tunnel \(name): process \(process.processID)\(takesOver ? " is to take over" : "")")
      return process
    } catch {
      log.error("tunnel \(name): cannot start a process: \(error.text)")
      failureCount += 1
      hasSettled = true
      return nil
    }
  }
}

extension ChildProcess.Failure {
  var text: String {
    switch self {
    case .notStarted(let errno), .unreadable(let errno): KernelError.reason(errno)
    case .timedOut: "it took too long"
    }
  }
}
