internal import CLiburing
internal import Glibc
internal import Synchronization

/// A running gateway: one thread per worker. Thread-safe.
package final class Gateway: Sendable {
  private let plan: GatewayPlan
  private let switchboard: Switchboard
  private let counters: [Statistics]
  private let eventRings: [SPSCRing<FlowEvent>]
  private let requestSlots: [RequestSlot]
  /// Held by whoever asks workers.
  private let asking = Mutex(())
  private let workerPlan: WorkerPlan
  private let isStopping = Atomic(false)
  private let leavesFlows = Atomic(false)
  /// Workers that have begun their run and not ended it.
  private let runningCount = Atomic(0)
  private let state = Mutex(State())
  /// Whether all is closed; held by whoever ends the workers.
  private let isFinished = Mutex(false)

  private struct State {
    var threads: [WorkerThread] = []
    var failure: KernelError?
    var nextEventRing = 0
  }

  /// Takes the plan's descriptors over: they are closed when this throws and when the gateway has stopped; after a
  /// hand-over the queues at the end of the process.
  package init(_ plan: GatewayPlan) throws(KernelError) {
    precondition((1...Limits.workerCountMax).contains(plan.workerCount))
    precondition(GatewayPlan.connectionsRange.contains(plan.connections))
    precondition(plan.cpus.isEmpty || plan.cpus.count == plan.workerCount)
    precondition(plan.role == .server || plan.udpSockets.count == plan.workerCount)
    self.plan = plan
    let remotes = plan.role == .client ? RemoteBoard([plan.remote] + plan.fallbacks) : nil
    var workerPlan = WorkerPlan(plan, remotes: remotes)
    do throws(KernelError) {
      if plan.role == .server, let limit = plan.flowsPerSource {
        workerPlan.sourceCounts = try SourceCounts(
          limit: limit, flowCountMax: plan.flowCountMax, hash: workerPlan.keyHash)
      }
      if plan.workerCount > 1 { workerPlan.flowTotal = try FlowTotal(limit: plan.flowCountMax) }
      switchboard = try Switchboard(workerCount: plan.workerCount)
    } catch {
      workerPlan.deallocate()
      for descriptor in plan.udpSockets + plan.tunQueues { close(descriptor) }
      throw error
    }
    self.workerPlan = workerPlan
    counters = (0..<plan.workerCount).map { _ in Statistics() }
    requestSlots = (0..<plan.workerCount).map { _ in RequestSlot() }
    eventRings = (0..<plan.workerCount).map { _ in SPSCRing(capacity: 4_096) }
  }

  deinit {
    stop()
    switchboard.deallocate()
    for counter in counters { counter.deallocate() }
    for ring in eventRings { ring.deallocate() }
    for slot in requestSlots { slot.deallocate() }
    workerPlan.deallocate()
  }

  /// Starts every worker's thread; returns when all run, or throws the first refusal with all stopped.
  package func start() throws(KernelError) {
    var refusal: KernelError?
    for index in 0..<plan.workerCount {
      do throws(KernelError) {
        let thread = try WorkerThread(named: "guise-\(index)") { [self] ready in
          self.run(index, workerPlan, ready)
        }
        state.withLock { $0.threads.append(thread) }
        try thread.waitUntilReady()
      } catch {
        refusal = error
        break
      }
    }
    if let refusal {
      stop()
      throw refusal
    }
  }

  /// Asks every worker to reset its flows and end; returns when all have ended, and with them the device.
  /// Idempotent, and another caller returns no sooner.
  package func stop() {
    isStopping.store(true, ordering: .releasing)
    for index in 0..<plan.workerCount { switchboard.wake(index) }
    isFinished.withLock { isFinished in
      let threads = state.withLock { state in
        defer { state.threads = [] }
        return state.threads
      }
      for thread in threads { thread.join() }
      if !isFinished { closeDescriptors() }
      isFinished = true
    }
  }

  private func closeDescriptors() {
    for descriptor in plan.udpSockets { close(descriptor) }
    // To close a queue takes the kernel 10 ms, and the process that goes on has its own.
    guard !leavesFlows.load(ordering: .acquiring) else { return }
    try? TunDevice.keep(plan.tunQueues[0], false)
    for descriptor in plan.tunQueues { close(descriptor) }
  }

  /// Ends the workers as they stand, their flows in the flow file and their sockets closed: another process
  /// goes on.
  package func handOver() {
    leavesFlows.store(true, ordering: .releasing)
    stop()
  }

  /// Each worker's counters as they stand now.
  package func statistics() -> [StatisticsSnapshot] { counters.map { $0.snapshot() } }

  /// Most flows at once.
  package var flowCountMax: Int { plan.flowCountMax }

  /// CPU time of each worker's thread so far, in seconds; nil for one that has ended.
  package func processorSeconds() -> [Double?] {
    state.withLock { state in
      (0..<plan.workerCount).map {
        state.threads.indices.contains($0) ? state.threads[$0].processorSeconds : nil
      }
    }
  }

  /// The oldest flow event that nobody has taken yet. One caller at a time.
  package func nextFlowEvent() -> FlowEvent? {
    state.withLock { state in
      for _ in eventRings.indices {
        if let event = eventRings[state.nextEventRing].pop() { return event }
        state.nextEventRing = (state.nextEventRing + 1) % eventRings.count
      }
      return nil
    }
  }

  /// Client: makes the servers' addresses known to the workers, as many as there were. One caller at a time.
  package func setRemotes(_ endpoints: [Endpoint]) {
    workerPlan.remotes?.write(endpoints)
    for index in 0..<plan.workerCount { switchboard.wake(index) }
  }

  /// Client: whether flows have lacked an answer since the last call, so that their servers' names should be
  /// looked up again.
  package func takeLookUpWish() -> Bool { workerPlan.remotes?.takeLookUpWish() ?? false }

  /// The first error that ended a worker by itself, if any.
  package var failure: KernelError? { state.withLock { $0.failure } }

  // MARK: - What workers are asked

  /// How long a worker may take to answer.
  private static let answerMilliseconds = 1_000

  /// Whether every worker still takes turns.
  package func isResponsive() -> Bool { (try? request(.answer)) != nil }

  /// The flows that are meant, `limit` of them at most.
  package func flows(_ selection: FlowSelection = FlowSelection(), limit: Int = .max) throws(WorkerSilence)
    -> [FlowSummary]
  {
    try request(.list, selection, limit: limit).flows
  }

  /// Resets the flows that are meant. How many there were.
  package func closeFlows(_ selection: FlowSelection) throws(WorkerSilence) -> Int {
    try request(.close, selection).count
  }

  /// Client: opens each of the flows that are meant anew, from another port, to the server that is preferred now.
  /// How many there are.
  package func reconnectFlows(_ selection: FlowSelection) throws(WorkerSilence) -> Int {
    workerPlan.remotes?.wantLookUp()
    return try request(.reconnect, selection).count
  }

  private func request(
    _ verb: WorkerRequest.Verb, _ selection: FlowSelection = FlowSelection(), limit: Int = .max
  ) throws(WorkerSilence) -> (count: Int, flows: [FlowSummary]) {
    try asking.withLock { _ throws(WorkerSilence) in
      var count = 0
      var flows: [FlowSummary] = []
      for worker in 0..<plan.workerCount {
        var request: WorkerRequest? = WorkerRequest(verb: verb, selection: selection)
        while let next = request, flows.count < limit {
          let (answer, summaries) = try ask(next, worker)
          count += Int(answer.count)
          flows += summaries
          request = answer.next
        }
      }
      return (count, Array(flows.prefix(limit)))
    }
  }

  private func ask(
    _ request: WorkerRequest, _ worker: Int
  ) throws(WorkerSilence) -> (RequestSlot.Answer, [FlowSummary]) {
    let slot = requestSlots[worker]
    let deadline = ContinuousClock.now + .milliseconds(Self.answerMilliseconds)
    var isAsked = false
    repeat {
      guard !isStopping.load(ordering: .relaxed) else { break }
      if !isAsked {
        // What an earlier asker gave up waiting for is taken and forgotten.
        isAsked = slot.ask(request)
        switchboard.wake(worker)
      } else if let answer = slot.takeAnswer() {
        return answer
      }
      usleep(50)
    } while ContinuousClock.now < deadline
    throw WorkerSilence(worker: worker)
  }

  // MARK: - On a worker's thread

  private func run(_ index: Int, _ workerPlan: WorkerPlan, _ ready: (KernelError?) -> Void) {
    do throws(KernelError) {
      try pin(index)
    } catch {
      return ready(error)
    }
    let resources = EngineResources(
      tunQueue: plan.tunQueues[index], listener: plan.role == .client ? plan.udpSockets[index] : nil,
      worker: index, switchboard: switchboard,
      service: plan.role == .server ? plan.remote : nil, sources: plan.sources, firstSource: index,
      offload: plan.offload,
      flowCountMax: workerPlan.flowCountMax)
    switch plan.engine {
    case .uring:
      run(index, workerPlan, ready) { () throws(KernelError) in try UringEngine(resources) }
    case .epoll:
      run(index, workerPlan, ready) { () throws(KernelError) in try EpollEngine(resources) }
    }
  }

  /// Keeps the calling thread on its worker's CPU. Before any of its memory is touched, so that this comes
  /// from the CPU's own NUMA node (set_mempolicy(2), the default policy).
  private func pin(_ index: Int) throws(KernelError) {
    guard !plan.cpus.isEmpty else { return }
    let cpu = plan.cpus[index]
    try KernelError.check("sched_setaffinity(CPU \(cpu))", guise_pin_thread(Int32(cpu)))
  }

  /// Compiled once for each engine: on the packet's path nothing asks which one it is.
  @inline(__always)
  private func run<E: Engine & ~Copyable>(
    _ index: Int, _ workerPlan: WorkerPlan, _ ready: (KernelError?) -> Void,
    _ makeEngine: () throws(KernelError) -> E
  ) {
    do throws(KernelError) {
      var worker = try Worker(
        index: index, plan: workerPlan, engine: makeEngine(), handshakePacket: plan.handshakePacket,
        statistics: counters[index], events: eventRings[index], requests: requestSlots[index],
        switchboard: switchboard,
        random: UInt64.random(in: 0 ... .max), section: plan.flowFile?.section(worker: index))
      try plan.confineWorker()
      // As the user that the predecessor's sockets are of, or their ports could not be shared.
      worker.resume(plan.resumed)
      runningCount.add(1, ordering: .relaxed)
      ready(nil)
      do throws(KernelError) {
        try worker.run(
          until: { isStopping.load(ordering: .acquiring) },
          leavesFlows: { leavesFlows.load(ordering: .acquiring) })
      } catch {
        state.withLock { if $0.failure == nil { $0.failure = error } }
      }
      runningCount.subtract(1, ordering: .releasing)
      withExtendedLifetime(worker) { waitForOthers() }
    } catch {
      ready(error)
    }
  }

  /// Returns when no worker runs any more: until then, others may read packets in this one's memory and send
  /// messages to its ring.
  private func waitForOthers() {
    while !isStopping.load(ordering: .acquiring) || runningCount.load(ordering: .acquiring) > 0 {
      usleep(1_000)
    }
  }
}

extension WorkerPlan {
  /// What the workers of a gateway need of its plan, with fresh keys.
  init(_ plan: GatewayPlan, remotes: RemoteBoard? = nil) {
    func random() -> UInt64 { UInt64.random(in: 0 ... .max) }
    self.init(
      remote: plan.remote, remotes: remotes,
      listenPort: plan.listenPort,
      sourcePortMax: plan.sourcePortMax,
      address4: plan.tunAddress4 ?? .unspecified, address6: plan.tunAddress6 ?? .unspecified, mtu: plan.mtu,
      idleNanoseconds: UInt64(plan.idleTimeoutSeconds) * 1_000_000_000,
      keepaliveNanoseconds: plan.role == .client ? UInt64(plan.keepaliveSeconds) * 1_000_000_000 : nil,
      moderationNanoseconds: UInt64(plan.moderationMicroseconds) * 1_000,
      pollNanoseconds: UInt64(plan.pollMicroseconds) * 1_000,
      segmentsPerTrainMax: plan.offload ? Limits.trainSegmentsMax : 1,
      datagramsPerTrainMax: plan.offload ? Limits.trainSegmentsMax : 1,
      connectionCount: plan.connections, sharesSources: plan.sharesSources, flowCountMax: plan.flowsPerWorker,
      newFlowsPerSecond: plan.newFlowsPerSecond.map { max(1, $0 / plan.workerCount) },
      owners: plan.owners, keyHash: KeyHash(seed: (random(), random())),
      cookie: HandshakeCookie(key: (plan.cookieKey.first, plan.cookieKey.second)))
  }
}
