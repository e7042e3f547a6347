@testable internal import DataPlane

/// A client and a server between which anything may happen to packets, and to which the kernel may refuse
/// anything: nothing traps, every datagram and segment is accounted for, and every buffer comes home.
enum GatewayTarget {
  static func run(_ input: Input) {
    var input = input
    guard let run = try? GatewayRun(isIPv6: input.chance(), connections: 1 + input.number(below: 3)) else {
      fail("no memory")
    }
    for _ in 0..<96 where !input.isEmpty { run.step(&input) }
    run.finish()
  }
}

private final class GatewayRun {
  private let client: SimulatedGateway
  private let server: SimulatedGateway
  /// Packets that are on the way, to the client and to the server.
  private var down: [[UInt8]] = []
  private var up: [[UInt8]] = []

  init(isIPv6: Bool, connections: Int) throws {
    func gateway(_ role: Role) throws -> SimulatedGateway {
      var plan = SimulatedGateway.plan(role, isIPv6: isIPv6, flowCountMax: 8, workers: 1)
      plan.connections = connections
      var workerPlan = WorkerPlan(plan)
      // The same input must do the same again.
      workerPlan.keyHash = KeyHash(seed: (1, 2))
      workerPlan.cookie = HandshakeCookie(key: (3, 4))
      return try SimulatedGateway(workerPlan, seed: 1)
    }
    client = try gateway(.client)
    server = try gateway(.server)
  }

  func step(_ input: inout Input) {
    switch input.byte() % 16 {
    case 0...2: send(&input)
    case 3: answer(&input)
    case 4...6: exchange()
    case 7: change(&input)
    case 8: lose(&input)
    case 9: insert(&input)
    case 10: refuse(&input)
    default: wait(input.magnitude(bits: 40))
    }
  }

  private func send(_ input: inout Input) {
    let source = Endpoint(Address("127.0.0.1")!, port: 20_000 + UInt16(input.byte() % 12))
    let (payload, partSize) = datagrams(&input)
    client.send(payload, partSize: partSize, from: source)
  }

  private func answer(_ input: inout Input) {
    let flow = UInt32(input.byte() % 10)
    let (payload, partSize) = datagrams(&input)
    server.answer(payload, partSize: partSize, flow: flow)
  }

  /// One datagram or several equal ones, now and then too large or empty.
  private func datagrams(_ input: inout Input) -> ([UInt8], partSize: Int) {
    let size = Int(input.magnitude(bits: 11))
    let count = input.chance() ? 1 + input.number(below: 64) : 1
    let byte = input.byte()
    return ([UInt8](repeating: byte, count: min(size * count, 65_000)), max(size, 1))
  }

  /// Both take what is there and send what they have.
  private func exchange() {
    server.kernel.inputs += up.map { .packet($0) }
    client.kernel.inputs += down.map { .packet($0) }
    (up, down) = ([], [])
    turn()
  }

  private func turn() {
    check((try? client.turn()) != nil && (try? server.turn()) != nil, "a worker ends")
    up += client.takePackets()
    down += server.takePackets()
    _ = client.takeDeliveries()
    _ = server.takeDeliveries()
  }

  /// Damages a packet that is on the way, or forges another from it.
  private func change(_ input: inout Input) {
    let isUp = input.chance()
    var packets = isUp ? up : down
    guard !packets.isEmpty else { return }
    let index = input.number(below: packets.count)
    var packet = packets[index]
    guard !packet.isEmpty else { return }
    for _ in 0...input.number(below: 4) {
      packet[input.number(below: packet.count)] ^= input.byte()
    }
    if input.chance() { packet.removeLast(input.number(below: packet.count)) }
    if input.chance() { packets.append(packet) } else { packets[index] = packet }
    if isUp { up = packets } else { down = packets }
  }

  private func lose(_ input: inout Input) {
    if input.chance() { up.reverse() } else { down.reverse() }
    if input.chance() { _ = up.popLast() } else { _ = down.popLast() }
  }

  private func insert(_ input: inout Input) {
    let packet = Array(input.take(Int(input.byte())))
    if input.chance() { up.append(packet) } else { down.append(packet) }
  }

  /// The kernel says no to one of the next system calls, at any errno.
  private func refuse(_ input: inout Input) {
    let kernel = input.chance() ? client.kernel : server.kernel
    let errno = Int32(1 + input.byte() % 133)
    switch input.byte() % 3 {
    case 0: kernel.writeFailures.append(errno)
    case 1: kernel.sendFailures.append(errno)
    default: kernel.socketFailures.append(errno)
    }
  }

  private func wait(_ nanoseconds: UInt64) {
    client.kernel.now += nanoseconds
    server.kernel.now += nanoseconds
    turn()
  }

  func finish() {
    for gateway in [client, server] {
      (gateway.kernel.writeFailures, gateway.kernel.sendFailures) = ([], [])
    }
    // What was refused last is held until the turn after the one that tells of it.
    exchange()
    exchange()
    for gateway in [client, server] {
      gateway.stop()
      check(gateway.freeTrains == Limits.trainCount, "trains are lost")
      check(gateway.freeBuffers == SimulatedGateway.allBuffers, "buffers are lost")
      check(gateway.flowCount == 0 && gateway.kernel.sockets.isEmpty, "flows are left")
      let role = gateway.worker.plan.role
      check(gateway.statistics.accountsForDatagrams(of: role), "datagrams are not accounted for")
      check(gateway.statistics.accountsForSegments(of: role), "segments are not accounted for")
    }
  }
}
