@testable internal import DataPlane

/// A worker's tables, each held against a collection of the standard library.
enum TableTarget {
  static func run(_ input: Input) {
    var input = input
    switch input.number(below: 4) {
    case 0: FlowTableTwin.run(&input)
    case 1: TimerTwin.run(&input)
    case 2: PortTwin.run(&input)
    default: BufferTwin.run(&input)
    }
  }
}

private enum FlowTableTwin {
  private static let capacity = 24

  static func run(_ input: inout Input) {
    let hash = KeyHash(seed: (UInt64(input.byte()), 1))
    guard var table = try? FlowTable(capacity: capacity, hash: hash, indexesPeers: true) else {
      fail("no memory")
    }
    var twin: [FlowKey: UInt32] = [:]
    for _ in 0..<1_024 where !input.isEmpty {
      let name = key(input.byte() & 63)
      if let index = twin[name] {
        check(table.find(name) == index && table.find(peer: peer(of: name)) == index, "a flow is not found")
        guard input.chance() else { continue }
        table.remove(index)
        twin[name] = nil
        check(table.find(name) == nil && table.find(peer: peer(of: name)) == nil, "a removed flow is found")
      } else {
        check(table.find(name) == nil, "a flow is found that is not there")
        let index = table.insert(key: name, peer: peer(of: name), segmentBytesMax: 1_460, now: 0)
        check((index == nil) == (twin.count == capacity), "with \(twin.count) flows, index \(index ?? 0)")
        guard let index else { continue }
        check(!twin.values.contains(index), "two flows at \(index)")
        twin[name] = index
        table[index].state = .established
      }
      check(table.count == twin.count, "\(table.count) flows in place of \(twin.count)")
    }
    for (name, index) in twin { check(table.find(name) == index, "a flow is lost") }
  }

  private static func key(_ number: UInt8) -> FlowKey {
    FlowKey(
      remote: Address(high: 0, low: UInt64(number & 7)), local: Address(high: 1, low: 1),
      remotePort: UInt16(number >> 3), localPort: 7)
  }

  private static func peer(of key: FlowKey) -> FlowKey {
    FlowKey(remote: key.local, local: key.remote, remotePort: 1, localPort: key.remotePort)
  }
}

private enum TimerTwin {
  private static let count: UInt32 = 16
  /// Twice a slot of the wheel.
  private static let late: UInt64 = 2 << 22

  static func run(_ input: inout Input) {
    var now: UInt64 = 5_000_000_000
    guard var wheel = try? TimerWheel(capacity: Int(count), now: now) else { fail("no memory") }
    var twin: [UInt32: UInt64] = [:]
    for _ in 0..<1_024 where !input.isEmpty {
      let index = UInt32(input.byte()) % count
      switch input.byte() % 4 {
      case 0:
        wheel.cancel(index)
        twin[index] = nil
      case 1, 2:
        let deadline = now + input.magnitude(bits: 36)
        wheel.set(index, at: deadline)
        twin[index] = deadline
      default:
        now += input.magnitude(bits: 36)
        expire(&wheel, &twin, now)
      }
      check(wheel.count == twin.count, "\(wheel.count) timers in place of \(twin.count)")
      check((wheel.nextDeadline() == .max) == twin.isEmpty, "the next deadline of \(twin.count) timers")
    }
  }

  /// Nothing comes early; what is due comes, and what only waits for its turn of the wheel is set anew.
  private static func expire(_ wheel: inout TimerWheel, _ twin: inout [UInt32: UInt64], _ now: UInt64) {
    var popped = 0
    while let index = wheel.popExpired(now: now) {
      popped += 1
      check(popped <= 4 * Int(count), "the wheel gives the same timers again and again")
      guard let deadline = twin[index] else { return check(false, "a timer fires that is not set") }
      if deadline <= now { twin[index] = nil } else { wheel.set(index, at: deadline) }
    }
    for (index, deadline) in twin {
      check(deadline + late > now, "timer \(index) is \(now - deadline) ns late")
    }
  }
}

private enum PortTwin {
  static func run(_ input: inout Input) {
    let workers = 1 + input.number(below: 8)
    let worker = input.number(below: workers)
    let last = 60_999 + input.number(below: 4_000)
    let random = UInt64(input.word32())
    guard var ports = try? PortSpace(worker: worker, workerCount: workers, last: last, random: random) else {
      fail("no memory")
    }
    var taken: [UInt16] = []
    for _ in 0..<256 where !input.isEmpty {
      if taken.isEmpty || input.chance() {
        for _ in 0...input.number(below: 256) {
          guard let port = ports.take() else {
            check(taken.count == ports.capacity, "no port of \(ports.capacity), \(taken.count) taken")
            break
          }
          check(Int(port) <= last && Int(port) >= PortSpace.first, "port \(port)")
          check(PortSpace.owner(of: port, workerCount: workers) == worker, "port \(port) is another's")
          taken.append(port)
        }
      } else {
        ports.giveBack(taken.remove(at: input.number(below: min(taken.count, 65_535))))
      }
      check(ports.takenCount == taken.count, "\(ports.takenCount) ports taken, not \(taken.count)")
    }
    check(Set(taken).count == taken.count, "a port is given twice")
  }
}

private enum BufferTwin {
  static func run(_ input: inout Input) {
    guard var pool = try? BufferPool(pendingPayloadMax: 1_460) else { fail("no memory") }
    var holds: [BufferID: Int] = [:]
    for _ in 0..<512 where !input.isEmpty {
      let kind: BufferPool.Class = input.chance() ? .packet : .datagram
      switch input.byte() % 3 {
      case 0:
        let free = pool.freeCount(of: kind)
        let id = pool.take(kind)
        check((id == nil) == (free == 0), "\(free) buffers are free")
        guard let id else { continue }
        check(holds[id] == nil, "buffer \(id) is given twice")
        holds[id] = 1
      case 1:
        guard let (id, count) = holds.randomElement(using: &input) else { continue }
        pool.retain(id)
        holds[id] = count + 1
      default:
        guard let (id, count) = holds.randomElement(using: &input) else { continue }
        pool.release(id)
        holds[id] = count > 1 ? count - 1 : nil
      }
      let free = pool.freeCount(of: .packet) + pool.freeCount(of: .datagram)
      let total = Limits.packetBufferCount + Limits.datagramBufferCount
      check(free + holds.count == total, "\(free) free and \(holds.count) held of \(total)")
    }
  }
}

extension Dictionary where Key == BufferID {
  /// An element that the input chooses, whatever order the dictionary has.
  fileprivate func randomElement(using input: inout Input) -> Element? {
    guard !isEmpty else { return nil }
    let key = keys.sorted()[input.number(below: count)]
    return (key, self[key]!)
  }
}
