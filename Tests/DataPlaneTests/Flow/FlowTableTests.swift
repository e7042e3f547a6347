import Testing

@testable import DataPlane

@Suite struct FlowTableTests {
  private static let hash = KeyHash(seed: (11, 12))

  private static func key(_ number: Int) -> FlowKey {
    FlowKey(
      remote: Address(ipv4: UInt32(truncatingIfNeeded: number / 50)), local: Address("192.0.2.1")!,
      remotePort: UInt16(number % 50), localPort: 4_567)
  }

  private static func peer(_ number: Int) -> FlowKey {
    FlowKey(
      remote: Address("2001:db8::1")!, local: .unspecified, remotePort: UInt16(number % 65_536),
      localPort: UInt16(number / 65_536))
  }

  private static func table(_ capacity: Int, indexesPeers: Bool = true) throws -> FlowTable {
    try FlowTable(capacity: capacity, hash: hash, indexesPeers: indexesPeers)
  }

  @Test(arguments: [true, false], Seeds.all)
  func `any sequence of insertions and removals is found as a dictionary would`(
    indexesPeers: Bool, seed: UInt64
  ) throws {
    var random = SeededRandom(seed: seed)
    let capacity = 64
    var table = try Self.table(capacity, indexesPeers: indexesPeers)
    var twin = [Int: UInt32]()
    for step in 0..<4_000 {
      let number = Int.random(in: 0..<200, using: &random)
      if let index = twin[number] {
        table.remove(index)
        twin[number] = nil
      } else {
        let peer = indexesPeers ? Self.peer(number) : .none
        let index = table.insert(
          key: Self.key(number), peer: peer, segmentBytesMax: 1_460, now: UInt64(step))
        guard (index == nil) == (twin.count == capacity) else {
          Issue.record("step \(step): \(twin.count) flows, insert gave \(String(describing: index))")
          return
        }
        if let index {
          twin[number] = index
          table[index].state = .established
        }
      }
      guard table.count == twin.count, step % 10 == 0 else { continue }
      for number in 0..<200 {
        let found = table.find(Self.key(number))
        let foundByPeer = indexesPeers ? table.find(peer: Self.peer(number)) : twin[number]
        if indexesPeers, Bool.random(using: &random) {
          // Once more, as datagrams of one sender follow each other.
          guard table.find(peer: Self.peer(number)) == foundByPeer else {
            Issue.record("step \(step), flow \(number): found once, and not again")
            return
          }
        }
        guard found == twin[number], foundByPeer == twin[number] else {
          Issue.record(
            "step \(step), flow \(number): \(String(describing: (found, foundByPeer, twin[number])))")
          return
        }
        if let found { #expect(table[found].key == Self.key(number)) }
      }
    }
    #expect(table.count == twin.count)
  }

  @Test func `a flow that was just found by its peer is not found any more when it is gone`() throws {
    var table = try Self.table(4)
    for number in [1, 2] {
      // The second has the first one's place.
      let inserted = table.insert(
        key: Self.key(number), peer: Self.peer(number), segmentBytesMax: 1_440, now: 0)
      let index = try #require(inserted)
      table[index].state = .established
      #expect(table.find(peer: Self.peer(number)) == index)
      #expect(table.find(peer: Self.peer(number)) == index)
      #expect(table.find(peer: Self.peer(3 - number)) == nil)
      table.remove(index)
      #expect(table.find(peer: Self.peer(number)) == nil)
    }
  }

  @Test func `a new flow has no state, no trains and nothing waiting`() throws {
    var table = try Self.table(4)
    let inserted = table.insert(key: Self.key(1), peer: Self.peer(1), segmentBytesMax: 1_440, now: 77)
    let index = try #require(inserted)
    let flow = table[index]
    #expect(flow.state == .free && flow.segmentBytesMax == 1_440 && flow.lastActivity == 77)
    #expect(flow.uplinkTrain == Flow.noTrain && flow.downlinkTrain == Flow.noTrain)
    #expect(flow.pendingHead == Flow.noBuffer && flow.pendingTail == Flow.noBuffer)
    #expect(flow.pendingCount == 0 && flow.pendingBytes == 0)
    #expect(flow.key == Self.key(1) && flow.peer == Self.peer(1))
  }

  @Test func `a slot that is used again has a new generation and none of the old state`() throws {
    var table = try Self.table(1)
    var generations = [UInt16]()
    for number in 0..<5 {
      let inserted = table.insert(key: Self.key(number), peer: .none, segmentBytesMax: 1_460, now: 0)
      let index = try #require(inserted)
      #expect(index == 0)
      #expect(table[index].tries == 0 && table[index].sendNext == SequenceNumber(0))
      generations.append(table[index].generation)
      table[index].tries = 9
      table[index].sendNext = SequenceNumber(5)
      table[index].state = .established
      table.remove(index)
      #expect(table[index].state == .free)
    }
    #expect(Set(generations).count == 5)
  }

  @Test func `generations count on past their largest value`() throws {
    var table = try Self.table(1)
    for _ in 0..<70_000 {
      let index = table.insert(key: Self.key(0), peer: .none, segmentBytesMax: 1, now: 0)!
      table.remove(index)
    }
    #expect(table.count == 0)
  }

  @Test func `a full table refuses and takes again after a removal`() throws {
    var table = try Self.table(3)
    for number in 0..<3 {
      #expect(table.insert(key: Self.key(number), peer: .none, segmentBytesMax: 1, now: 0) == UInt32(number))
    }
    #expect(table.insert(key: Self.key(3), peer: .none, segmentBytesMax: 1, now: 0) == nil)
    #expect(table.count == 3 && table.usedCount == 3)
    table.remove(1)
    #expect(table.insert(key: Self.key(4), peer: .none, segmentBytesMax: 1, now: 0) == 1)
    #expect(table.find(Self.key(1)) == nil && table.find(Self.key(4)) == 1)
  }

  @Test func `tables of one total have so many flows together`() throws {
    let total = try FlowTotal(limit: 4)
    defer { total.deallocate() }
    var first = try FlowTable(capacity: 3, total: total, hash: Self.hash, indexesPeers: false)
    var second = try FlowTable(capacity: 3, total: total, hash: Self.hash, indexesPeers: false)
    func insert(_ number: Int, _ table: inout FlowTable) -> Bool {
      table.insert(key: Self.key(number), peer: .none, segmentBytesMax: 1, now: 0) != nil
    }
    for number in 0..<3 { #expect(insert(number, &first)) }
    let full = (first.isFull, first.limit, second.isFull)
    #expect(full == (true, 3, false))
    #expect(!insert(3, &first))
    #expect(insert(3, &second))
    let all = (second.isFull, second.limit)
    #expect(all == (true, 4))
    #expect(!insert(4, &second))
    first.remove(0)
    #expect(insert(4, &second))
    #expect(!insert(5, &first))
  }

  @Test func `changes to a flow stay where they were made`() throws {
    var table = try Self.table(3)
    for number in 0..<3 {
      _ = table.insert(key: Self.key(number), peer: .none, segmentBytesMax: 1, now: 0)
    }
    table[1].sendNext += 500
    #expect(table[0].sendNext == SequenceNumber(0) && table[2].sendNext == SequenceNumber(0))
    #expect(table[1].sendNext == SequenceNumber(500))
  }

  @Test func `an index that was never given out traps`() async {
    await #expect(processExitsWith: .failure) {
      let table = try FlowTable(capacity: 3, hash: KeyHash(seed: (1, 2)), indexesPeers: false)
      _ = table[0].state
    }
  }
}
