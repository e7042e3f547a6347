internal import DataPlane
internal import Dispatch
internal import Glibc
package import Logging

/// Runs one gateway from set-up to clean-up, on the calling thread.
package struct Supervisor {
  private let configuration: GatewayConfiguration
  private let log: Logger

  /// How often flow events are taken to the log.
  private static let tickMilliseconds = 100
  /// How often, in ticks, the firewall's rules are compared with the host's addresses.
  private static let addressTicks = 10
  /// How long workers may take to reset their flows and end.
  private static let stopSecondsMax = 10

  package init(_ configuration: GatewayConfiguration, log: Logger) {
    self.configuration = configuration
    self.log = log
  }

  /// Returns once a signal has stopped the gateway; throws what kept it from running. Either way the host
  /// is as it was before.
  package func run() throws(SetupError) {
    // Signals have their ordinary effect until here: nothing is changed yet, and DNS may take its time.
    let preflight = try Preflight.check(configuration, log)
    let signals = SignalWait()
    var host = try HostSetup.apply(preflight, log)
    do throws(SetupError) {
      let gateway = try start(preflight, host)
      try confine(preflight.confinement, gateway)
      announce(preflight, host)
      let names = RemoteNames(
        configuration.remotes, known: preflight.remotes, families: preflight.families)
      let failure = watch(gateway, signals, &host, names)
      try stop(gateway, signals)
      StandardErrorLog.write("\(StatisticsTable(gateway.statistics()))")
      if let failure { throw SetupError.workerFailed(failure) }
    } catch {
      host.undo()
      throw error
    }
    host.undo()
    log.info("ended; the host is as it was")
  }

  // MARK: - Start

  private func start(_ preflight: Preflight, _ host: borrowing HostSetup) throws(SetupError) -> Gateway {
    let plan: GatewayPlan
    do throws(SetupError) {
      plan = try self.plan(preflight, host)
    } catch {
      host.device.close()
      throw error
    }
    do throws(KernelError) {
      let gateway = try Gateway(plan)
      try gateway.start()
      return gateway
    } catch {
      throw .refusal(error)
    }
  }

  /// Everything is open, and every worker has confined itself: the main thread follows.
  private func confine(_ confinement: Confinement, _ gateway: Gateway) throws(SetupError) {
    do throws(KernelError) {
      try confinement.apply(to: .supervisor)
    } catch {
      gateway.stop()
      throw .refusal(error)
    }
  }

  /// The plan, with a client's UDP sockets opened.
  private func plan(_ preflight: Preflight, _ host: borrowing HostSetup) throws(SetupError) -> GatewayPlan {
    var plan = GatewayPlan(
      role: configuration.role, remote: preflight.remote, tunQueues: host.device.queues)
    plan.engine = preflight.engine
    let part = Confinement.Part.worker(preflight.engine, configuration.role)
    plan.confineWorker = { [confinement = preflight.confinement] () throws(KernelError) in
      try confinement.apply(to: part)
    }
    plan.cpus = preflight.placement.cpus
    if case .tcp(_, let port) = configuration.listen { plan.listenPort = port }
    if let rules = host.rules, rules.isStateless {
      plan.sourcePortMax = Translation.statelessPorts.upperBound
    }
    plan.tunAddress4 = host.pairs.map(\.peer).first(where: \.isIPv4)
    plan.tunAddress6 = host.pairs.map(\.peer).first { !$0.isIPv4 }
    plan.mtu = preflight.mtu
    plan.idleTimeoutSeconds = configuration.idleTimeoutSeconds
    plan.moderationMicroseconds = configuration.moderationMicroseconds
    plan.fallbacks = Array(preflight.remotes.dropFirst())
    plan.keepaliveSeconds = configuration.keepaliveSeconds
    plan.connections = configuration.connections
    plan.handshakePacket = preflight.handshakePacket
    plan.offload = host.device.offload
    switch configuration.role {
    case .client: plan.flowCountMax = min(plan.flowCountMax, configuration.flowCountMax ?? .max)
    case .server:
      plan.sources = configuration.sources
      let descriptors = DescriptorLimit.raise()
      let limits = FlowLimits.server(
        configuration, descriptors: descriptors, workers: preflight.workers, engine: plan.engine)
      plan.flowCountMax = limits.flows
      plan.flowsPerSource = limits.perSource
      plan.newFlowsPerSecond = configuration.newFlowsPerSecond
      log.info(
        "at most \(limits.flows) flows at once, \(limits.perSource) of one source, with \(descriptors) descriptors ('ulimit -n')"
      )
    }
    if let local = preflight.local { plan.udpSockets = try openSockets(local, count: preflight.workers) }
    return plan
  }

  private func openSockets(_ local: Endpoint, count: Int) throws(SetupError) -> [Int32] {
    var sockets: [Int32] = []
    do throws(SetupError) {
      for _ in 0..<count {
        sockets.append(
          try Preflight.bind(local, reusePort: count > 1, offload: configuration.offload != .off))
      }
      return sockets
    } catch {
      for socket in sockets { close(socket) }
      throw error
    }
  }

  private func announce(_ preflight: Preflight, _ host: borrowing HostSetup) {
    let device = host.device
    for pair in host.pairs {
      log.info("\(device.name): \(pair.local) is the kernel's address, \(pair.peer) that of our TCP end")
    }
    let engine = preflight.engine.rawValue
    let offload = device.offload ? "on" : "off"
    log.info(
      "\(device.name): MTU \(preflight.mtu), workers \(preflight.workers), engine \(engine), offload \(offload)"
    )
    if !preflight.placement.cpus.isEmpty {
      log.info("workers run on CPUs \(preflight.placement.cpus.map(String.init).joined(separator: ","))")
    }
    let firewall = host.rules.map { "table inet \(FirewallRules.table(of: $0.device)), \($0.summary)" }
    log.info("firewall: \(firewall ?? "left alone")")
    log.info("\(preflight.confinement.summary)")
    let limits = AddressFamily.allCases.filter { preflight.families.contains($0) }.map { family in
      let limit = preflight.mtu - family.headerBytes
      return "\(limit) bytes over \(family) (WireGuard: MTU \(WireGuard.mtu(for: limit)))"
    }
    log.info("largest datagram that fits: \(limits.joined(separator: ", "))")
    switch configuration.listen {
    case .udp:
      let servers = preflight.remotes.map { "\($0)" }.joined(separator: ", else ")
      log.notice("ready: UDP \(preflight.local!) -> TCP \(servers)")
    case .tcp(nil, let port): log.notice("ready: TCP port \(port) -> UDP \(preflight.remote)")
    case .tcp(let address?, let port):
      log.notice("ready: TCP \(Endpoint(address, port: port)) -> UDP \(preflight.remote)")
    }
  }

  // MARK: - Running

  /// Logs events and answers signals until one of them, or a worker's failure, ends the gateway.
  private func watch(
    _ gateway: Gateway, _ signals: SignalWait, _ host: inout HostSetup, _ names: RemoteNames
  ) -> KernelError? {
    var events = FlowEventLog(configuration.role, now: .now) { log.log(level: $0, "\($1)") }
    var tick = 0
    while true {
      let arrival = signals.next(milliseconds: Self.tickMilliseconds)
      tick += 1
      if tick % Self.addressTicks == 0 { host.followAddresses() }
      followRemotes(gateway, names, &host)
      while let event = gateway.nextFlowEvent() { events.record(event, now: .now) }
      events.summarize(now: .now)
      if let failure = gateway.failure {
        log.error("a worker ended by itself (\(failure)): stopping")
        return failure
      }
      switch arrival {
      case .stop(let name):
        log.notice("\(name): stopping; once more ends without waiting for the workers")
        return nil
      case .showStatistics: StandardErrorLog.write("\(StatisticsTable(gateway.statistics()))")
      case nil: break
      }
    }
  }

  /// Has a client's names looked up again when its flows get no answer, and takes what came of that to the
  /// workers: the rules first, since nothing passes without.
  private func followRemotes(_ gateway: Gateway, _ names: RemoteNames, _ host: inout HostSetup) {
    if gateway.takeLookUpWish() { names.refresh() }
    guard let remotes = names.takeChange() else { return }
    let list = remotes.map { "\($0)" }.joined(separator: ", ")
    log.notice("the name of '--remote' has another address now: going on with \(list)")
    host.follow(remotes: remotes)
    gateway.setRemotes(remotes)
  }

  /// Lets the workers reset their flows and end. A second signal, or a worker that hangs, cuts it short.
  private func stop(_ gateway: Gateway, _ signals: SignalWait) throws(SetupError) {
    let stopping = DispatchGroup()
    DispatchQueue.global().async(group: stopping) { gateway.stop() }
    let deadline = ContinuousClock.now + .seconds(Self.stopSecondsMax)
    while stopping.wait(timeout: .now()) == .timedOut {
      if case .stop = signals.next(milliseconds: 5) { throw .stopForced }
      if ContinuousClock.now > deadline { throw .stopForced }
    }
  }
}
