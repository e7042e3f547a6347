@testable import DataPlane

/// A client and a server of several workers, on hosts and a path where anything goes wrong that may, in phases; and
/// then nothing does any more. All by one seed.
final class FaultySite {
  let client: SimulatedTeam
  let server: SimulatedTeam
  private var random: SeededRandom
  private var up = SimulatedLink(LinkFaults(), seed: 0)
  private var down = SimulatedLink(LinkFaults(), seed: 0)
  private var translation = SimulatedAddressTranslation()
  private var isCut = false
  /// Whether what comes to the server can be counted: no packet was cut short.
  private(set) var isCountable = true
  /// Segments that have come across to the server.
  private(set) var arrivedAtServer: UInt64 = 0

  /// Applications by number; each may move to another port.
  private var ports: [UInt16] = (0..<UInt16(appCount)).map { 20_000 + $0 * 100 }
  private static let appCount = 5
  private var count = 0
  /// What has been sent, by its number.
  private var sent: [Int: (app: Int, size: Int)] = [:]
  /// The newest number that has come back to each application's present port.
  private var answered = [Int](repeating: 0, count: appCount)
  /// What no fault explains.
  private(set) var wrongs: [String] = []

  init(seed: UInt64) throws {
    random = SeededRandom(seed: seed)
    let workers = (Int.random(in: 1...3, using: &random), Int.random(in: 1...3, using: &random))
    func plan(_ role: Role, _ workers: Int) -> GatewayPlan {
      var plan = SimulatedGateway.plan(role, flowCountMax: 128, workers: workers)
      plan.idleTimeoutSeconds = 30
      return plan
    }
    client = try SimulatedTeam(plan(.client, workers.0), seed: seed)
    server = try SimulatedTeam(plan(.server, workers.1), seed: seed)
  }

  private var gateways: [SimulatedGateway] { client.workers + server.workers }

  // MARK: - Trouble

  /// A time with troubles of its own.
  func sufferPhase() throws {
    for gateway in gateways {
      var faults = KernelFaults(seed: random.next())
      faults.refusedWrites = some(0.3)
      faults.refusedSends = some(0.3)
      faults.refusedSockets = some(0.5)
      faults.shortReads = some(0.2)
      faults.dryTurns = some(0.5)
      faults.overflows = some(0.5)
      faults.isDown = random.chance(0.1)
      isCountable = isCountable && faults.shortReads == 0
      gateway.kernel.faults = faults
      gateway.kernel.batchMax = Int.random(in: 1...200, using: &random)
    }
    let faults = LinkFaults(
      loss: some(0.4), duplication: 0, reordering: some(0.3), splits: random.chance(0.5),
      merges: random.chance(0.5))
    up = SimulatedLink(faults, seed: random.next())
    down = SimulatedLink(faults, seed: random.next())
    isCut = random.chance(0.15)
    if random.chance(0.2) { translation.forget() }
    if random.chance(0.3) { move(Int.random(in: 0..<Self.appCount, using: &random)) }
    if random.chance(0.2) { jump(client) }
    if random.chance(0.2) { jump(server) }
    client.misdelivery = some(1)
    server.misdelivery = some(1)
    let pace = [UInt64(100_000), 20_000_000, 300_000_000].randomElement(using: &random)!
    for _ in 0..<12 {
      for app in 0..<Self.appCount where random.chance(0.5) { send(app) }
      if random.chance(0.1) { for _ in 0..<120 { send(0) } }
      try step(pace)
    }
  }

  /// All is well again, but for what it left behind.
  func recover() throws {
    for gateway in gateways { gateway.kernel.faults = nil }
    (up, down) = (SimulatedLink(LinkFaults(), seed: 0), SimulatedLink(LinkFaults(), seed: 0))
    isCut = false
    client.misdelivery = 0
    server.misdelivery = 0
  }

  /// Whether each application has an answer to something sent from now on within so many seconds.
  func answersComeBack(within seconds: Int) throws -> Bool {
    let start = count
    for _ in 0..<(seconds * 10) {
      for app in 0..<Self.appCount { send(app, single: true) }
      try step(100_000_000)
      if answered.allSatisfy({ $0 > start }) { return true }
    }
    return false
  }

  /// A chance up to `limit`, or none at all.
  private func some(_ limit: Double) -> Double {
    random.chance(0.4) ? Double.random(in: 0...limit, using: &random) : 0
  }

  /// An application comes from another port.
  private func move(_ app: Int) {
    ports[app] += 1
    answered[app] = 0
  }

  /// A host sleeps, or its clock leaps.
  private func jump(_ team: SimulatedTeam) {
    team.advance(UInt64.random(in: 0...200, using: &random) * 1_000_000_000)
  }

  // MARK: - Traffic

  private func send(_ app: Int, single: Bool = false) {
    let parts = !single && random.chance(0.2) ? Int.random(in: 2...20, using: &random) : 1
    let size = Int.random(in: 8...(random.chance(0.1) ? 1_400 : 100), using: &random)
    var train: [UInt8] = []
    for _ in 0..<parts {
      count += 1
      sent[count] = (app, size)
      train += SimulationTests.payload(app, count, size: size)
    }
    client.send(train, partSize: size, from: Endpoint(Address("127.0.0.1")!, port: ports[app]))
  }

  /// Both take turns, what they wrote crosses, and the service answers.
  func step(_ nanoseconds: UInt64) throws {
    client.advance(nanoseconds)
    server.advance(nanoseconds)
    try client.turn()
    for packet in up.carry(client.takePackets()) where !isCut {
      arrivedAtServer += UInt64(Self.parts(packet))
      server.receive(translation.outbound(packet))
    }
    try server.turn()
    for packet in down.carry(server.takePackets()) where !isCut {
      client.receive(translation.inbound(packet))
    }
    for worker in server.workers {
      for delivery in worker.takeDeliveries() {
        guard sender(of: delivery.payload) != nil else {
          wrongs.append("\(delivery.payload.count) bytes that nobody sent came to the service")
          continue
        }
        worker.answer(delivery.payload, flow: delivery.flow)
      }
    }
    for answer in client.takeDeliveries() { take(answer) }
  }

  private func take(_ answer: SimulatedKernel.Delivery) {
    guard let app = sender(of: answer.payload) else {
      return wrongs.append("\(answer.payload.count) bytes that nobody sent came back")
    }
    guard let port = answer.destination?.port, port / 100 == ports[app] / 100 else {
      return wrongs.append("an answer for application \(app) went to \(answer.destination as Any)")
    }
    if port == ports[app] { answered[app] = max(answered[app], Self.number(answer.payload)) }
  }

  /// Whose a payload is; nil when nobody has sent it.
  private func sender(of payload: [UInt8]) -> Int? {
    let number = Self.number(payload)
    guard let (app, size) = sent[number], payload == SimulationTests.payload(app, number, size: size) else {
      return nil
    }
    return app
  }

  /// What `SimulationTests.payload` has numbered a payload by.
  private static func number(_ payload: [UInt8]) -> Int {
    payload.prefix(8).enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) } & 0xf_ffff
  }

  /// Segments in an IPv4 packet without IP options.
  private static func parts(_ packet: [UInt8]) -> Int {
    let vnet = unsafe packet.withUnsafeBytes { unsafe $0.loadUnaligned(as: VirtioNetHeader.self) }
    guard vnet.gsoType != VirtioNetHeader.gsoNone else { return 1 }
    let tcp = VirtioNetHeader.length + IPv4Header.length
    let payload = packet.count - tcp - Int(packet[tcp + 12] >> 4) * 4
    return (payload + Int(vnet.gsoSize) - 1) / Int(vnet.gsoSize)
  }
}
