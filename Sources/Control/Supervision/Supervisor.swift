internal import CLiburing
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
  /// How often, in ticks, the firewall's rules are compared with the host's addresses, and the service manager is
  /// told that all is well.
  private static let addressTicks = 10
  /// How often, in ticks, the firewall is looked at for those who ask after it.
  private static let firewallTicks = 50
  /// How long workers may take to reset their flows and end.
  private static let stopSecondsMax = 10

  package init(_ configuration: GatewayConfiguration, log: Logger) {
    self.configuration = configuration
    self.log = log
  }

  /// Returns once a signal has stopped the gateway; throws what kept it from running. Either way the host
  /// is as it was before, unless another process goes on with it.
  package func run() throws(SetupError) {
    let starter = getuid()
    let notifier = ServiceNotifier()
    try endWithParent()
    let privileges = Privileges.current()
    try privileges.check()
    let confinement = try Confinement.choose(configuration, privileges, log)
    let state = StateDirectory.open(for: confinement.account, log)
    var flows = try FlowStore.open(configuration, state, log)
    var metrics: MetricsListener?
    if let address = configuration.metrics {
      // Other tunnels of the same file may be replaced beside this one, and swap their ports.
      let isOneOfSeveral = configuration.takesOver && configuration.parentProcess != nil
      metrics = try MetricsListener(
        address, othersMayLeave: isOneOfSeveral, after: flows?.predecessor?.metrics(state))
    }
    // Signals have their ordinary effect until here: nothing is changed yet, and DNS may take its time.
    let preflight = try Preflight.check(configuration, confinement, flows?.predecessor?.header, log)
    let signals = SignalWait()
    var host = try HostSetup.apply(
      preflight, state, flows?.predecessor,
      flowFile: configuration.flowFile == .standard ? flows?.name : nil, log)
    do throws(SetupError) {
      let gateway = try start(preflight, &host, &flows)
      if metrics?.isAwaited == true { bindAwaited(&metrics) }
      try confine(confinement, gateway)
      let isKept = flows?.isKept == true
      let observation = Observation.start(
        gateway, preflight, host, metrics.take(), commanders: [Account.root, starter], log)
      announce(preflight, host, isKept ? flows?.path : nil)
      host.complete(preflight)
      try endWithParent()
      notifier.ready("carries datagrams")
      let names = RemoteNames(
        configuration.remotes, known: preflight.remotes, families: preflight.families)
      let ending = watch(gateway, signals, &host, names, notifier, observation, canHandOver: isKept)
      observation.stop(removingSocket: !ending.leavesHost)
      switch ending {
      case .handOver(let process):
        gateway.handOver()
        host.leave()
        flows?.letGo()
        showStatistics(gateway, host.firewall.restorations)
        return log.notice("process \(process) goes on with the flows; ended")
      case .fail(let failure):
        // The flows stay in the flow file: the next process goes on with them, by a device of its own.
        gateway.handOver()
        host.device.close()
        flows?.letGo()
        showStatistics(gateway, host.firewall.restorations)
        throw SetupError.workerFailed(failure)
      case .stop:
        notifier.stopping()
        try stop(gateway, signals)
        showStatistics(gateway, host.firewall.restorations)
      }
    } catch {
      // Whoever cuts the end short wants nothing to be gone on with.
      if case .stopForced = error { flows?.discard() } else { flows?.abandon() }
      host.undo()
      throw error
    }
    flows?.discard()
    host.undo()
    log.info("ended; the host is as it was")
  }

  // MARK: - Start

  private func start(
    _ preflight: Preflight, _ host: inout HostSetup, _ flows: inout FlowStore?
  ) throws(SetupError) -> Gateway {
    var plan: GatewayPlan
    do throws(SetupError) {
      plan = try self.plan(preflight, host)
      // The kernel deals senders out among all sockets of a port, by their order: with several workers, flows
      // stay where their datagrams come to only if the predecessor's sockets are gone before ours are there.
      let mayOverlap = preflight.workers == 1 || flows?.predecessor == nil
      if mayOverlap { try openSockets(&plan, preflight, sharesPort: flows != nil) }
      try flows?.takeOver()
      if !mayOverlap {
        if let local = preflight.local { try Preflight.checkFree(local) }
        try openSockets(&plan, preflight, sharesPort: true)
      }
      try host.takeCharge(preflight)
      plan.offload = host.device.offload
      host.steer(to: plan.owners)
    } catch {
      host.device.close()
      throw error
    }
    keepFlows(&plan, preflight, host, &flows)
    do throws(KernelError) {
      let gateway = try Gateway(plan)
      try gateway.start()
      if plan.flowFile != nil { host.keepDevice() }
      flows?.commit()
      return gateway
    } catch {
      throw .refusal(error)
    }
  }

  /// The predecessor has gone: without its port the tunnel goes on all the same.
  private func bindAwaited(_ metrics: inout MetricsListener?) {
    do throws(SetupError) {
      try metrics?.bindAwaited()
    } catch {
      log.warning("no metrics: \(error)")
      metrics = nil
    }
  }

  /// A process that runs one tunnel of several is killed when the one that started it goes, whatever the reason: the
  /// next finds a killed gateway, whose flows it goes on with.
  ///
  /// A change of user undoes it.
  private func endWithParent() throws(SetupError) {
    guard let parent = configuration.parentProcess else { return }
    _ = guise_signal_when_parent_ends(SIGKILL)
    guard getppid() == parent else { throw .parentGone(process: parent) }
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

  /// Lets the plan go on with the flows of a predecessor, and makes a file for all that it will have.
  private func keepFlows(
    _ plan: inout GatewayPlan, _ preflight: Preflight, _ host: borrowing HostSetup, _ flows: inout FlowStore?
  ) {
    guard flows != nil else { return }
    if let predecessor = flows?.predecessor {
      plan.cookieKey = predecessor.header.cookieKey
      plan.resumed = flows?.flows() ?? []
    }
    var header = FlowFileHeader(
      namespace: NetworkNamespace.current().identity, processID: getpid(), role: configuration.role,
      device: host.device.name, mtu: preflight.mtu, listen: configuration.listen.endpoint(preflight.local),
      remote: preflight.remote, idleTimeoutSeconds: configuration.idleTimeoutSeconds,
      cookieKey: plan.cookieKey)
    for pair in host.pairs { header.add(pair) }
    header.isStateless = configuration.role == .client && host.firewall.rules?.isStateless == true
    plan.flowFile = flows?.make(
      header, workerCount: plan.workerCount, flowsPerWorker: plan.flowsPerWorker)
  }

  /// The plan, without a client's UDP sockets.
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
    if let rules = host.firewall.rules, rules.isStateless {
      plan.sourcePortMax = Translation.statelessPorts.upperBound
    }
    plan.tunAddress4 = host.pairs.map(\.peer).first(where: \.isIPv4)
    plan.tunAddress6 = host.pairs.map(\.peer).first { !$0.isIPv4 }
    plan.mtu = preflight.mtu
    plan.idleTimeoutSeconds = configuration.idleTimeoutSeconds
    plan.moderationMicroseconds = configuration.moderationMicroseconds
    plan.pollMicroseconds = configuration.pollMicroseconds
    plan.fallbacks = Array(preflight.remotes.dropFirst())
    plan.keepaliveSeconds = configuration.keepaliveSeconds
    plan.connections = configuration.connections
    plan.handshakePacket = preflight.handshakePacket
    plan.offload = host.device.offload
    switch configuration.role {
    case .client: plan.flowCountMax = min(plan.sourcePortCount, configuration.flowCountMax ?? .max)
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
    return plan
  }

  /// Opens a client's UDP sockets. `sharesPort`: with a predecessor or a successor, of the same user.
  ///
  /// Several get nothing before all are bound: the kernel deals senders out among those that are, and the first
  /// ones would have datagrams of flows that others go on with.
  private func openSockets(
    _ plan: inout GatewayPlan, _ preflight: Preflight, sharesPort: Bool
  ) throws(SetupError) {
    guard let local = preflight.local else { return }
    let count = preflight.workers
    do throws(SetupError) {
      while plan.udpSockets.count < count {
        plan.udpSockets.append(
          try Preflight.bind(
            local, reusePort: count > 1 || sharesPort, offload: configuration.offload != .off,
            isShut: count > 1))
      }
      if configuration.spread == .auto { shareSources(&plan) }
      if count > 1 { try Preflight.letIn(plan.udpSockets) }
    } catch {
      for socket in plan.udpSockets { close(socket) }
      throw error
    }
  }

  /// Has all workers carry each source's datagrams, with connections of their own. Where that is refused, all of a
  /// source's stay with one worker.
  private func shareSources(_ plan: inout GatewayPlan) {
    guard plan.udpSockets.count > 1 else {
      return log.notice(
        "'--spread' has nobody to share connections out to: this tunnel has one worker ('--workers')")
    }
    do throws(KernelError) {
      try ConnectionSpread.attach(to: plan.udpSockets, connections: configuration.connections)
      plan.sharesSources = true
    } catch {
      log.notice(
        "each program's connections are one worker's, since the kernel refuses to share them out \(BPFKernel.reason(error))"
      )
    }
  }

  private func announce(_ preflight: Preflight, _ host: borrowing HostSetup, _ flowFile: String?) {
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
    let firewall = host.firewall.rules.map { rules in
      (rules.tableFamilies.isEmpty ? "" : "table \(FirewallRules.table(of: device.name)), ") + rules.summary
    }
    log.info("firewall: \(firewall ?? "left alone")")
    log.info("\(preflight.confinement.summary)")
    if let flowFile { log.info("flows are kept in \(flowFile)") }
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

  private func showStatistics(_ gateway: Gateway, _ restorations: UInt64) {
    let table = StatisticsTable(
      gateway.statistics(), title: configuration.name ?? "", restorations: restorations)
    StandardErrorLog.write("\(table)")
  }

  // MARK: - Running

  /// How a gateway ends.
  private enum Ending {
    /// By a signal.
    case stop
    /// By a worker's failure, or the device's.
    case fail(KernelError)
    case handOver(to: Int32)

    /// Whether another process goes on with what is there.
    var leavesHost: Bool { if case .handOver = self { true } else { false } }
  }

  /// Logs events and answers signals until one of them, or the end of a worker or the device, ends the gateway.
  private func watch(
    _ gateway: Gateway, _ signals: SignalWait, _ host: inout HostSetup, _ names: RemoteNames,
    _ notifier: borrowing ServiceNotifier, _ observation: Observation, canHandOver: Bool
  ) -> Ending {
    var events = FlowEventLog(configuration.role, now: .now) { log.log(level: $0, "\($1)") }
    var tick = 0
    while true {
      let arrival = signals.next(milliseconds: Self.tickMilliseconds)
      tick += 1
      if tick % Self.addressTicks == 0 {
        do throws(KernelError) { try host.device.check() } catch { return .fail(error) }
        host.followAddresses()
        host.restoreRules()
        observation.follow(host)
        notifier.alive()
      }
      if tick % Self.firewallTicks == 1 { observation.lookAfter(host) }
      followRemotes(gateway, names, &host)
      host.followQueues()
      while let event = gateway.nextFlowEvent() { events.record(event, now: .now) }
      events.summarize(now: .now)
      if let failure = gateway.failure {
        // That the device is gone, the end says in other words.
        if failure.errno != EBADFD { log.error("a worker ended by itself (\(failure)): stopping") }
        return .fail(failure)
      }
      switch arrival {
      case .stop(let name):
        log.notice("\(name): stopping; once more ends without waiting for the workers")
        return .stop
      case .handOver(let process) where kill(process, 0) != 0 && errno == ESRCH:
        log.warning("SIGUSR2 of process \(process), which has gone: going on")
      case .handOver(let process) where canHandOver:
        log.notice("SIGUSR2 of process \(process): handing over")
        return .handOver(to: process)
      case .handOver: log.warning("SIGUSR2: there is no flow file to hand over")
      case .showStatistics: showStatistics(gateway, host.firewall.restorations)
      case .reload, .renew, .childEnded, nil: break
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
