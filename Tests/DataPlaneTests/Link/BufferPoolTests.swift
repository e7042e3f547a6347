import Testing

@testable import DataPlane

@Suite struct BufferPoolTests {
  private typealias Class = BufferPool.Class

  private static let counts: [BufferPool.Class: Int] = [
    .datagram: Limits.datagramBufferCount, .packet: Limits.packetBufferCount,
    .pending: Limits.pendingBufferCount, .foreign: Limits.foreignBufferCount,
  ]

  private func pool() throws -> BufferPool { try BufferPool(pendingPayloadMax: 1_460) }

  @Test(arguments: BufferPool.Class.allCases)
  func `a class gives each of its buffers once, and none when they are used up`(kind: BufferPool.Class) throws
  {
    var pool = try pool()
    let range = pool.range(of: kind)
    #expect(range.count == Self.counts[kind])
    var taken = Set<BufferID>()
    while let buffer = pool.take(kind) { taken.insert(buffer) }
    #expect(taken == Set((range.first..<range.first + range.count).map(BufferID.init)))
    #expect(pool.freeCount(of: kind) == 0)
    for other in BufferPool.Class.allCases where other != kind {
      #expect(pool.freeCount(of: other) == Self.counts[other])
    }
    for buffer in taken { pool.release(buffer) }
    #expect(pool.freeCount(of: kind) == range.count)
  }

  @Test func `the ranges of the classes do not overlap and cover all identifiers`() throws {
    let pool = try pool()
    let ranges = Class.allCases.map { pool.range(of: $0) }.sorted { $0.first < $1.first }
    var next = 0
    for range in ranges {
      #expect(range.first == next)
      next += range.count
    }
    #expect(next == Self.counts.values.reduce(0, +) && next < Int(Flow.noBuffer))
  }

  @Test func `the memory of no two buffers overlaps and each has what its class promises`() throws {
    var pool = try BufferPool(pendingPayloadMax: 1_460)
    var places = [(start: UInt, length: Int)]()
    for (kind, length) in [
      (Class.datagram, Limits.headroom + 65_507), (.packet, VirtioNetHeader.length + 65_535),
      (.pending, Limits.headroom + 1_460),
    ] {
      while let buffer = pool.take(kind) {
        places.append((unsafe UInt(bitPattern: pool.base(buffer)), length))
        // The last byte is there to be written.
        unsafe pool.base(buffer).storeBytes(of: 1, toByteOffset: length - 1, as: UInt8.self)
      }
    }
    places.sort { $0.start < $1.start }
    for (place, next) in zip(places, places.dropFirst()) {
      #expect(place.start + UInt(place.length) <= next.start)
    }
    #expect(places.allSatisfy { $0.start % 64 == 0 })
  }

  @Test func `a buffer is free when its last hold is gone`() throws {
    var pool = try pool()
    let buffer = pool.take(.packet)!
    pool.retain(buffer)
    pool.retain(buffer)
    let free = pool.freeCount(of: .packet)
    pool.release(buffer)
    pool.release(buffer)
    #expect(pool.freeCount(of: .packet) == free)
    pool.release(buffer)
    #expect(pool.freeCount(of: .packet) == free + 1)
    // The one that was used last is still in the cache.
    #expect(pool.take(.packet) == buffer)
  }

  @Test(arguments: Seeds.all)
  func `any sequence of taking, holding and releasing is counted right`(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    var pool = try pool()
    var holds = [BufferID: Int]()
    var owned = [Class: Int]()
    var kindOf = [BufferID: Class]()
    for step in 0..<20_000 {
      let kind = [Class.datagram, .packet, .pending].randomElement(using: &random)!
      switch Int.random(in: 0..<4, using: &random) {
      case 0:
        guard let buffer = pool.take(kind) else { break }
        guard holds[buffer] == nil else {
          Issue.record("step \(step): \(buffer) was given while it was held")
          return
        }
        holds[buffer] = 1
        kindOf[buffer] = kind
        owned[kind, default: 0] += 1
      case 1:
        guard let buffer = holds.keys.randomElement(using: &random) else { break }
        pool.retain(buffer)
        holds[buffer]! += 1
      default:
        guard let buffer = holds.keys.randomElement(using: &random) else { break }
        pool.release(buffer)
        holds[buffer]! -= 1
        guard holds[buffer] == 0 else { break }
        holds[buffer] = nil
        owned[kindOf[buffer]!]! -= 1
      }
      guard pool.freeCount(of: kind) == Self.counts[kind]! - owned[kind, default: 0] else {
        Issue.record("step \(step): \(pool.freeCount(of: kind)) of \(kind) are free")
        return
      }
    }
  }

  @Test func `lists and lengths belong to their buffers`() throws {
    var pool = try pool()
    let buffers = (0..<10).map { _ in pool.take(.pending)! }
    for (number, buffer) in buffers.enumerated() {
      pool.setLength(buffer, 100 + number)
      pool.setNext(buffer, number + 1 < buffers.count ? buffers[number + 1] : Flow.noBuffer)
    }
    var walked = [Int]()
    var buffer = buffers[0]
    while buffer != Flow.noBuffer {
      walked.append(pool.length(buffer))
      buffer = pool.next(buffer)
    }
    #expect(walked == Array(100..<110))
  }

  // MARK: - Lent buffers

  @Test func `a lent buffer keeps its memory and goes home once, when it is done with`() throws {
    var lender = try pool()
    var borrower = try pool()
    let packet = lender.take(.packet)!
    unsafe lender.base(packet).storeBytes(of: 0x5a, as: UInt8.self)
    let home = BufferPool.Home(worker: 3, buffer: packet)
    let guest = unsafe borrower.adopt(lender.base(packet), home: home)!
    #expect(unsafe borrower.base(guest).load(as: UInt8.self) == 0x5a)
    borrower.retain(guest)
    borrower.release(guest)
    #expect(borrower.takeHomecoming() == nil)
    borrower.release(guest)
    let goingHome = borrower.takeHomecoming()
    #expect(goingHome?.worker == 3 && goingHome?.buffer == packet)
    #expect(borrower.takeHomecoming() == nil)
    #expect(borrower.freeCount(of: .foreign) == Limits.foreignBufferCount)
  }

  @Test func `no more are adopted than there are places, and again when one came free`() throws {
    var lender = try pool()
    var borrower = try pool()
    let memory = unsafe lender.base(lender.take(.packet)!)
    let home = BufferPool.Home(worker: 1, buffer: 1)
    var guests = [BufferID]()
    while let guest = unsafe borrower.adopt(memory, home: home) { guests.append(guest) }
    #expect(guests.count == Limits.foreignBufferCount)
    borrower.release(guests[7])
    #expect(unsafe borrower.adopt(memory, home: home) == guests[7])
    #expect(unsafe borrower.adopt(memory, home: home) == nil)
  }

  @Test func `however many come and go in one turn, each home is told once`() throws {
    var lender = try pool()
    var borrower = try pool()
    let memory = unsafe lender.base(lender.take(.packet)!)
    // As many workers as there may be, each with all its packets: dropped at once, sent home later.
    var lent = [Int: Int]()
    var refused = 0
    for worker in 0..<Limits.workerCountMax {
      for buffer in 0..<Limits.packetBufferCount {
        let home = BufferPool.Home(worker: UInt16(worker), buffer: BufferID(buffer))
        guard let guest = unsafe borrower.adopt(memory, home: home) else {
          refused += 1
          continue
        }
        lent[worker << 16 | buffer] = 1
        borrower.release(guest)
      }
    }
    #expect(lent.count + refused == Limits.workerCountMax * Limits.packetBufferCount)
    while let home = borrower.takeHomecoming() { lent[Int(home.worker) << 16 | Int(home.buffer)]! -= 1 }
    #expect(lent.values.allSatisfy { $0 == 0 })
    // The pool's other tables are unharmed.
    for kind in Class.allCases { #expect(borrower.freeCount(of: kind) == Self.counts[kind]) }
    let buffer = borrower.take(.datagram)!
    borrower.release(buffer)
    #expect(borrower.freeCount(of: .datagram) == Limits.datagramBufferCount)
  }
}
