@testable import DataPlane

/// One worker on a simulated kernel.
final class SimulatedGateway {
  let kernel = SimulatedKernel()
  let counters = Statistics()
  let events = SPSCRing<FlowEvent>(capacity: 4_096)
  let requests = RequestSlot()
  /// The switchboard, unless it is shared with others.
  private let ownSwitchboard: Switchboard?
  private(set) var worker: Worker<SimulatedEngine>

  static let clientAddress = Address("192.0.2.1")!
  static let serverAddress = Address("192.0.2.2")!
  static let client6 = Address("2001:db8::1")!
  static let server6 = Address("2001:db8::2")!

  convenience init(
    _ role: Role, isIPv6: Bool = false, offload: Bool = true, flowCountMax: Int = 1_024, seed: UInt64 = 1,
    handshakePacket: [UInt8] = [], mtu: Int = 1_500, connections: Int = 1
  ) throws {
    var plan = Self.plan(
      role, isIPv6: isIPv6, offload: offload, flowCountMax: flowCountMax, mtu: mtu, workers: 1)
    plan.connections = connections
    try self.init(WorkerPlan(plan), seed: seed, handshakePacket: handshakePacket)
  }

  /// One worker, on a switchboard that it shares with others if there is one.
  init(
    _ plan: WorkerPlan, index: Int = 0, switchboard: Switchboard? = nil, seed: UInt64,
    handshakePacket: [UInt8] = [], section: FlowSection? = nil
  ) throws {
    ownSwitchboard = switchboard == nil ? try Switchboard(workerCount: 1) : nil
    worker = try Worker(
      index: index, plan: plan, engine: SimulatedEngine(kernel), handshakePacket: handshakePacket,
      statistics: counters, events: events, requests: requests,
      switchboard: switchboard ?? ownSwitchboard!, random: seed, section: section)
  }

  static func plan(
    _ role: Role, isIPv6: Bool = false, offload: Bool = true, flowCountMax: Int = 1_024, mtu: Int = 1_500,
    workers: Int
  ) -> GatewayPlan {
    let server = isIPv6 ? Self.server6 : Self.serverAddress
    var plan = GatewayPlan(
      role: role, remote: Endpoint(server, port: 4_567), tunQueues: Array(repeating: -1, count: workers))
    plan.listenPort = 4_567
    plan.tunAddress4 = role == .client ? Self.clientAddress : Self.serverAddress
    plan.tunAddress6 = role == .client ? Self.client6 : Self.server6
    plan.offload = offload
    plan.mtu = mtu
    plan.flowCountMax = flowCountMax
    return plan
  }

  deinit {
    ownSwitchboard?.deallocate()
    counters.deallocate()
    events.deallocate()
    requests.deallocate()
  }

  /// Takes turns until nothing is left to read.
  func turn() throws {
    repeat { try worker.turn(until: 0) } while !kernel.inputs.isEmpty
    // What failed, and what was resent for it, is dealt with in the turns after.
    try worker.turn(until: 0)
  }

  /// Takes turns until no deadline that has passed is left; returns how many packets it wrote.
  @discardableResult
  func turnUntilTimersAreDone() throws -> Int {
    var count = 0
    repeat {
      try turn()
      count += takePackets().count
    } while worker.timers.nextDeadline() <= kernel.now
    return count
  }

  /// Nobody misses answers from now on: for tests whose other end has none to give.
  func unwatch() { worker.plan.keepaliveNanoseconds = nil }

  func stop() { worker.closeAllFlows() }

  /// What a worker does at its start, and when it hands over.
  func resume(_ records: [FlowRecord]) { worker.resume(records) }
  func leave() { worker.leaveFlows() }

  var statistics: StatisticsSnapshot { counters.snapshot() }
  var flowCount: Int { worker.flows.count }
  /// Buffers that are neither lent nor free would be leaked.
  var freeBuffers: [Int] { BufferPool.Class.allCases.map { worker.buffers.freeCount(of: $0) } }
  var freeTrains: Int { worker.trains.freeCount }
  static let allBuffers = [
    Limits.datagramBufferCount, Limits.packetBufferCount, Limits.pendingBufferCount,
    Limits.foreignBufferCount,
  ]

  /// Each flow event so far.
  func takeEvents() -> [FlowEvent] {
    var result: [FlowEvent] = []
    while let event = events.pop() { result.append(event) }
    return result
  }

  func send(_ payload: [UInt8], partSize: Int? = nil, from source: Endpoint) {
    kernel.inputs.append(
      .datagrams(
        payload, partSize: partSize ?? payload.count, source: source, flow: DatagramArrival.listener,
        generation: 0))
  }

  func answer(_ payload: [UInt8], partSize: Int? = nil, flow: UInt32) {
    kernel.inputs.append(
      .datagrams(
        payload, partSize: partSize ?? payload.count, source: Endpoint(.unspecified, port: 0), flow: flow,
        generation: kernel.sockets[flow] ?? 0))
  }

  func takePackets() -> [[UInt8]] {
    defer { kernel.packets = [] }
    return kernel.packets
  }

  func takeDeliveries() -> [SimulatedKernel.Delivery] {
    defer { kernel.deliveries = [] }
    return kernel.deliveries
  }
}
