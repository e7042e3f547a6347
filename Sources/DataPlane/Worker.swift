/// One core's share of a gateway: an engine, a TUN queue, UDP sockets, flows, and the memory for all of them.
///
/// Runs on one thread and shares nothing but hand-off rings and counters that others read. A turn is:
/// send off, wait, take what arrived along the two paths, let the clock act, close the batch's trains.
/// The paths are in `Worker+Uplink.swift` and `Worker+Downlink.swift`, stage by stage.
struct Worker<E: Engine & ~Copyable>: ~Copyable {
  let index: Int
  var plan: WorkerPlan
  let statistics: Statistics
  let events: SPSCRing<FlowEvent>
  let switchboard: Switchboard

  var engine: E
  var buffers: BufferPool
  var trains: TrainPool
  var flows: FlowTable
  var timers: TimerWheel
  /// Who goes when there is no room.
  var idleOrder: IdleOrder
  /// What strangers, and clients that come, may make us do.
  var resets: TokenBucket
  var newFlows: TokenBucket?
  /// Client: which of a source's TCP flows are ours.
  let connections: ConnectionShare
  /// Client: the source ports that are ours.
  var ports: PortSpace
  /// The buffer that holds the first data of each flow (`--handshake-packet`), if there is one.
  var handshakeBuffer: BufferID?

  /// Segments that were read and not yet dealt with; none between turns.
  var segments: SegmentBatch
  /// Trains that this batch has opened, in order.
  var openUplinks: TrainList
  var openDownlinks: TrainList
  /// Workers that were passed packets in this turn, and those whose buffers go home with it.
  var passedTo: WorkerSet
  var returnedTo: WorkerSet
  /// Packet buffers of ours that other workers have.
  var lentCount: Int
  /// Whether the log has been told that the flow file does not grow any more.
  var hasReportedFile = false
  /// When the log may be told again that there is no room for a new flow; CLOCK_MONOTONIC, nanoseconds.
  var fullReportDue: UInt64 = 0
  /// Client: which of the servers new flows go to.
  var preference: Preference
  /// The servers' addresses that were last looked at.
  var remoteEdition: UInt64
  /// How to wait.
  var moderation: Moderation
  /// Arrivals until the last turn's end.
  var arrivalsNoted: UInt64 = 0
  /// Where others ask for the flows.
  let requests: RequestSlot
  /// CLOCK_MONOTONIC of this turn, nanoseconds.
  var now: UInt64
  /// Tells one turn from the next.
  var turnNumber: UInt16

  init(
    index: Int, plan: WorkerPlan, engine: consuming E, handshakePacket: [UInt8], statistics: Statistics,
    events: SPSCRing<FlowEvent>, requests: RequestSlot, switchboard: Switchboard, random: UInt64,
    section: FlowSection? = nil
  ) throws(KernelError) {
    Limits.assertRelations()
    now = engine.now
    turnNumber = 0
    let payloadMax = max(plan.segmentBytesMax(isIPv4: true), handshakePacket.count)
    var buffers = try BufferPool(pendingPayloadMax: payloadMax)
    let trains = try TrainPool(capacity: Limits.trainCount)
    let flows = try FlowTable(
      capacity: plan.flowCountMax, total: plan.flowTotal, hash: plan.keyHash,
      indexesPeers: plan.role == .client, in: section)
    let timers = try TimerWheel(capacity: plan.flowCountMax, now: now)
    let idleOrder = try IdleOrder(capacity: plan.flowCountMax)
    let ports = try PortSpace(
      worker: index, workerCount: plan.workerCount, last: Int(plan.sourcePortMax), random: random)
    let segments = try SegmentBatch()
    let openUplinks = try TrainList(capacity: Limits.trainCount)
    let openDownlinks = try TrainList(capacity: Limits.trainCount)
    handshakeBuffer = nil
    if !handshakePacket.isEmpty, let buffer = buffers.take(.pending) {
      unsafe (buffers.base(buffer) + Limits.headroom).copyMemory(
        from: handshakePacket, byteCount: handshakePacket.count)
      buffers.setLength(buffer, handshakePacket.count)
      handshakeBuffer = buffer
    }
    self.index = index
    self.plan = plan
    connections = plan.connections(of: index)
    self.engine = engine
    self.statistics = statistics
    self.events = events
    self.requests = requests
    self.switchboard = switchboard
    self.buffers = buffers
    self.trains = trains
    self.flows = flows
    self.timers = timers
    self.ports = ports
    self.segments = segments
    self.idleOrder = idleOrder
    resets = TokenBucket(perSecond: Limits.resetsPerSecond, now: now)
    newFlows = plan.newFlowsPerSecond.map { [now] in TokenBucket(perSecond: $0, now: now) }
    self.openUplinks = openUplinks
    self.openDownlinks = openDownlinks
    passedTo = WorkerSet()
    returnedTo = WorkerSet()
    lentCount = 0
    preference = Preference(count: UInt8(plan.remotes?.count ?? 1), now: now)
    remoteEdition = plan.remotes?.edition ?? 0
    moderation = Moderation(
      intervalMax: plan.moderationNanoseconds, pollTime: plan.pollNanoseconds, now: now)
  }

  /// Takes turns until `isStopping` says so. Then every flow is reset, or left to another process.
  mutating func run(until isStopping: () -> Bool, leavesFlows: () -> Bool) throws(KernelError) {
    while !isStopping() { try turn(until: .max) }
    if leavesFlows() { leaveFlows() } else { closeAllFlows() }
  }

  /// One turn. Waits until `deadline` at most, and no longer than the next timer.
  mutating func turn(until deadline: UInt64) throws(KernelError) {
    let pace = moderation.pace(now)
    engine.setDepth(moderation.depth.factor)
    try engine.turn(pace, until: min(deadline, timers.nextDeadline()), &buffers, &trains)
    now = engine.now
    turnNumber &+= 1
    statistics.add(.turns)
    // Buffers that are home again may be lent again.
    if lentCount > 0 { takeHandoffs() }
    if engine.polled > 0 { statistics.add(.nanosecondsPolled, Int(engine.polled)) }
    while let arrival = engine.nextArrival(&buffers, &trains) {
      if let flow = engine.prefetchUpcoming(buffers) { flows.prefetch(flow) }
      switch arrival {
      case .datagrams(let datagrams): uplink(datagrams)
      case .packet(let packet): downlink(packet)
      case .transmitFailed(let train, let direction, let errno, let parts):
        resend(train, direction, errno: errno, parts: parts)
      case .woken:
        takeHandoffs()
        followRemotes()
        takeRequest()
      }
    }
    if segments.count > 0 { receiveSegments() }
    expireTimers()
    closeTrains()
    publishHandoffs()
    noteBatch()
  }

  /// Counts what the turn brought by the counters that it moved, so that a packet costs nothing.
  @inline(__always)
  private mutating func noteBatch() {
    let total = statistics[.udpReceives] &+ statistics[.tunReads]
    if total != arrivalsNoted { statistics.record(.batchSize, total &- arrivalsNoted) }
    // Without offload no trains form, however much a turn takes.
    if plan.segmentsPerTrainMax > 1 { moderation.noteTurn(arrivals: total &- arrivalsNoted) }
    arrivalsNoted = total
  }
}
