internal import DataPlane
internal import Glibc
package import Logging

/// Runs any number of tunnels, each in a process of its own (docs/decisions/0060-tunnels-are-processes.md): starts
/// them, starts them again when they die, follows the configuration, ends them.
package struct TunnelSupervisor {
  private let log: Logger
  /// What the tunnels shall be now; throws what is wrong with it.
  private let configuration: () throws -> [TunnelPlan]
  private let renewal: Renewal
  private var tunnels: [Tunnel] = []

  private static let tickMilliseconds = 100
  /// How often, in ticks, the service manager is told that all is well.
  private static let aliveTicks = 10
  /// How long a service manager, which would only start us again, is kept waiting for a first tunnel: a network may
  /// still be on its way.
  private static let patience = Duration.seconds(10)
  /// How long tunnels may take to end: a gateway gives its workers 10 s.
  private static let stopSecondsMax = 15
  /// How long they still may when somebody does not want to wait.
  private static let forcedPatience = Duration.seconds(2)

  package init(log: Logger, _ renewal: Renewal, configuration: @escaping () throws -> [TunnelPlan]) {
    self.log = log
    self.renewal = renewal
    self.configuration = configuration
  }

  /// Returns once a signal has stopped everything; throws when there is nothing to run.
  package mutating func run() throws {
    let plans = try configuration()
    try Privileges.current().check()
    let notifier = ServiceNotifier()
    let socket: NotificationSocket
    do throws(KernelError) {
      socket = try NotificationSocket()
    } catch {
      throw SetupError.kernelRefused(error)
    }
    let signals = SignalWait(supervises: true)
    let program = TunnelProcess.Program.own(notificationPath: socket.path)
    tunnels = plans.map { Tunnel($0, program, log) }
    log.info("starting \(Self.count(tunnels.count)): \(tunnels.map(\.name).joined(separator: ", "))")
    goOn(program)

    let start = ContinuousClock.now
    var isSettled = false
    var isFirst = !renewal.isRenewal
    var isRenewing = false
    var tick = 0
    while true {
      tick += 1
      if tick % Self.aliveTicks == 0 { notifier.alive() }
      followProcesses(socket)
      let up = tunnels.count(where: \.isUp)
      let haveSettled = tunnels.allSatisfy(\.hasSettled)
      if isFirst, haveSettled, up == 0 {
        guard notifier.isHeard, .now - start < Self.patience else {
          _ = stop(signals, socket)
          throw SetupError.noTunnelStarted
        }
      } else if isSettled != haveSettled {
        isSettled.toggle()
        if isSettled {
          isFirst = false
          let summary = "\(up) of \(Self.count(tunnels.count)) up"
          log.notice("\(summary)")
          notifier.ready(summary)
        }
      }
      // What is under way now would not be known to the next program.
      if isRenewing, tunnels.allSatisfy(\.isCalm) {
        isRenewing = false
        notifier.reloading()
        renewal.execute(keeping: tunnels.compactMap(\.running), log)
        notifier.ready("going on as before")
      }
      switch signals.next(milliseconds: Self.tickMilliseconds) {
      case .stop(let name):
        log.notice("\(name): stopping; once more ends without waiting")
        notifier.stopping()
        guard stop(signals, socket) else { throw SetupError.stopForced }
        return
      case .reload:
        notifier.reloading()
        if reload(program) {
          isSettled = false
        } else {
          notifier.ready("the configuration file is wrong: going on as before")
        }
      case .showStatistics: for tunnel in tunnels { tunnel.showStatistics() }
      case .renew: isRenewing = true
      case .handOver, .childEnded, nil: break
      }
    }
  }

  /// Goes on with what another program has left in this process: its tunnels' processes, by theirs of this one.
  private mutating func goOn(_ program: TunnelProcess.Program) {
    for running in renewal.running {
      if let index = tunnels.firstIndex(where: { $0.name == running.name }) {
        tunnels[index].renew(running.processID)
      } else {
        log.notice("tunnel \(running.name): no longer in the configuration file")
        tunnels.append(Tunnel(leftOver: running, program, log))
        tunnels[tunnels.endIndex - 1].stop()
      }
    }
  }

  /// Takes note of who is ready and who has ended, and starts whom it is time for.
  private mutating func followProcesses(_ socket: borrowing NotificationSocket) {
    for process in socket.takeReady() {
      for index in tunnels.indices where tunnels[index].noteReady(process) { break }
    }
    // What one leaves, another may need: a port, a device's name.
    let mayStart = !tunnels.contains(where: \.isEnding)
    for index in tunnels.indices { tunnels[index].advance(mayStart: mayStart) }
    tunnels.removeAll(where: \.isGone)
  }

  /// Follows the configuration as it is now; whether it makes sense. If not, nothing changes.
  private mutating func reload(_ program: TunnelProcess.Program) -> Bool {
    let plans: [TunnelPlan]
    do {
      plans = try configuration()
    } catch {
      for line in "\(error)".split(separator: "\n") { log.error("\(line)") }
      log.error("the configuration file cannot be followed: all tunnels go on as before")
      return false
    }
    var unchanged = 0
    for index in tunnels.indices where !plans.contains(where: { $0.name == tunnels[index].name }) {
      log.notice("tunnel \(tunnels[index].name): no longer in the configuration file")
      tunnels[index].stop()
    }
    for plan in plans {
      if let index = tunnels.firstIndex(where: { $0.name == plan.name }) {
        if tunnels[index].follows(plan) { unchanged += 1 }
        tunnels[index].change(to: plan)
      } else {
        log.notice("tunnel \(plan.name): new in the configuration file")
        tunnels.append(Tunnel(plan, program, log))
      }
    }
    log.notice("read the configuration file again: \(unchanged) of \(Self.count(plans.count)) unchanged")
    return true
  }

  /// Ends all tunnels and returns when they have ended: whether they did so by themselves, and in time.
  private mutating func stop(_ signals: SignalWait, _ socket: borrowing NotificationSocket) -> Bool {
    for index in tunnels.indices { tunnels[index].stop() }
    var deadline = ContinuousClock.now + .seconds(Self.stopSecondsMax)
    var isForced = false
    var isKilled = false
    while !tunnels.isEmpty {
      followProcesses(socket)
      if case .stop = signals.next(milliseconds: 20) {
        for tunnel in tunnels { tunnel.send(SIGTERM) }
        deadline = min(deadline, .now + Self.forcedPatience)
        isForced = true
      }
      if !isKilled, ContinuousClock.now > deadline {
        isKilled = true
        log.error("killing what does not end: \(tunnels.map(\.name).joined(separator: ", "))")
        for tunnel in tunnels { tunnel.send(SIGKILL) }
      }
    }
    return !isForced && !isKilled
  }

  private static func count(_ tunnels: Int) -> String { tunnels == 1 ? "1 tunnel" : "\(tunnels) tunnels" }
}
