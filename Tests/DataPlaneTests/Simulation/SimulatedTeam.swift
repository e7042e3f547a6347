import Testing

@testable import DataPlane

/// A gateway of several workers, each on a simulated kernel of its own.
final class SimulatedTeam {
  let workers: [SimulatedGateway]
  private let switchboard: Switchboard
  private var random: SeededRandom
  /// Which worker last wrote a flow, by the client's port: there its packets go, as TUN has it.
  private var lastWriter: [UInt16: Int] = [:]
  /// How often a packet goes to any worker instead.
  var misdelivery = 0.0

  init(_ plan: GatewayPlan, seed: UInt64 = 1) throws {
    let count = plan.workerCount
    let switchboard = try Switchboard(workerCount: count)
    var workerPlan = WorkerPlan(plan)
    // The same seed does the same again.
    workerPlan.owners = FlowOwners(
      plan.role, workerCount: count, multipliers: (seed &* 0x9e37_79b9_7f4a_7c15 | 1, 0xbf58_476d_1ce4_e5b9))
    workerPlan.keyHash = KeyHash(seed: (seed, 1))
    workerPlan.cookie = HandshakeCookie(key: (seed, 2))
    let shared = workerPlan
    workers = try (0..<count).map { index in
      try SimulatedGateway(shared, index: index, switchboard: switchboard, seed: seed)
    }
    self.switchboard = switchboard
    random = SeededRandom(seed: seed &+ 99)
  }

  deinit { switchboard.deallocate() }

  /// All take turns until there is nothing left to read and nobody is woken any more.
  func turn() throws {
    var isBusy = true
    while isBusy {
      for worker in workers { try worker.turn() }
      isBusy = false
      for worker in workers {
        for woken in worker.kernel.woken { workers[woken].kernel.inputs.append(.woken) }
        isBusy = isBusy || !worker.kernel.woken.isEmpty
        worker.kernel.woken = []
      }
    }
  }

  func advance(_ nanoseconds: UInt64) {
    for worker in workers { worker.kernel.now += nanoseconds }
  }

  /// A packet from the network: TUN chooses the queue.
  func receive(_ packet: [UInt8]) {
    let port = Self.clientPort(of: packet)
    let any = Int.random(in: workers.indices, using: &random)
    let chosen = random.chance(misdelivery) ? any : lastWriter[port] ?? any
    workers[chosen].kernel.inputs.append(.packet(packet))
  }

  /// What all wrote; TUN notes who wrote which flow.
  func takePackets() -> [[UInt8]] {
    workers.indices.flatMap { index in
      let packets = workers[index].takePackets()
      for packet in packets { lastWriter[Self.clientPort(of: packet)] = index }
      return packets
    }
  }

  /// The port of the client's end of an IPv4 packet, whichever way it goes.
  static func clientPort(of packet: [UInt8]) -> UInt16 {
    let ports = packet.dropFirst(VirtioNetHeader.length + IPv4Header.length).prefix(4).map(UInt16.init)
    let (source, destination) = (ports[0] << 8 | ports[1], ports[2] << 8 | ports[3])
    return source == 4_567 ? destination : source
  }

  /// A datagram from an application: the kernel's hash of the source chooses the socket.
  func send(_ payload: [UInt8], partSize: Int? = nil, from source: Endpoint) {
    workers[Int(source.port) % workers.count].send(payload, partSize: partSize, from: source)
  }

  func takeDeliveries() -> [SimulatedKernel.Delivery] { workers.flatMap { $0.takeDeliveries() } }

  /// Sums of all workers.
  var statistics: StatisticsSnapshot {
    workers.reduce(StatisticsSnapshot()) { $0 + $1.statistics }
  }

  func stop() {
    for worker in workers { worker.stop() }
  }
}

/// A client and a server of several workers, with a link each way.
final class SimulatedTeams {
  let client: SimulatedTeam
  let server: SimulatedTeam
  private var up: SimulatedLink
  private var down: SimulatedLink

  init(
    _ faults: LinkFaults = LinkFaults(), seed: UInt64 = 1, workers: Int, misdelivery: Double = 0
  ) throws {
    client = try SimulatedTeam(SimulatedGateway.plan(.client, workers: workers), seed: seed)
    server = try SimulatedTeam(SimulatedGateway.plan(.server, workers: workers), seed: seed)
    client.misdelivery = misdelivery
    server.misdelivery = misdelivery
    up = SimulatedLink(faults, seed: seed &* 2)
    down = SimulatedLink(faults, seed: seed &* 2 &+ 1)
  }

  /// Both take a turn, and what they wrote crosses.
  func step(_ nanoseconds: UInt64 = 100_000) throws {
    client.advance(nanoseconds)
    server.advance(nanoseconds)
    try client.turn()
    for packet in up.carry(client.takePackets()) { server.receive(packet) }
    try server.turn()
    for packet in down.carry(server.takePackets()) { client.receive(packet) }
  }

  func settle(steps: Int = 8) throws {
    for _ in 0..<steps { try step() }
  }

  /// Once both are at rest, every buffer and train is free again, and what came in went out.
  func expectBalanceAndNoLeak(_ comment: Comment? = nil) throws {
    for team in [client, server] {
      // Borrowed buffers are given up one turn after the train that holds them, and then come home.
      for _ in 0..<3 { try team.turn() }
      expectBalance(team, comment)
      team.stop()
      for worker in team.workers {
        #expect(worker.freeTrains == Limits.trainCount, comment)
        #expect(worker.freeBuffers == SimulatedGateway.allBuffers, comment)
        #expect(worker.worker.lentCount == 0, comment)
      }
    }
  }
}
