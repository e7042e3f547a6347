import Testing

@testable import DataPlane

@Suite struct PortSpaceTests {
  @Test(arguments: [1, 2, 3, 7, 16, 64, 255, 256], [0, 1, 12_345, .max] as [UInt64])
  func `the workers of a gateway share all ports and none has another's`(workerCount: Int, random: UInt64)
    throws
  {
    var taken = [Bool](repeating: false, count: 65_536)
    var total = 0
    for worker in 0..<workerCount {
      var space = try PortSpace(worker: worker, workerCount: workerCount, random: random)
      var count = 0
      while let port = space.take() {
        guard !taken[Int(port)], PortSpace.owner(of: port, workerCount: workerCount) == worker else {
          Issue.record("worker \(worker) was given \(port)")
          return
        }
        taken[Int(port)] = true
        count += 1
      }
      #expect(count == space.capacity && count == space.takenCount)
      #expect(space.take() == nil)
      total += count
    }
    #expect(total == PortSpace.last - PortSpace.first + 1)
    #expect(taken[PortSpace.first...].allSatisfy { $0 } && taken[..<PortSpace.first].allSatisfy { !$0 })
  }

  @Test(arguments: [1, 2, 3, 8], Seeds.all)
  func `ports start where stock's do and count up`(workerCount: Int, seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    for worker in 0..<workerCount {
      var space = try PortSpace(worker: worker, workerCount: workerCount, random: random.next())
      let first = Int(space.take()!)
      #expect(first > PortSpace.startRange.lowerBound - workerCount)
      #expect(first < PortSpace.startRange.upperBound + workerCount)
      for step in 1...20 { #expect(space.take().map(Int.init) == first + step * workerCount) }
    }
  }

  @Test func `the start is drawn from all of stock's range`() throws {
    var starts = Set<UInt16>()
    for draw in 0..<UInt64(PortSpace.startRange.count) where draw % 1_000 == 0 {
      var space = try PortSpace(worker: 0, workerCount: 1, random: draw)
      starts.insert(space.take()!)
    }
    #expect(starts.min() == 32_768 && starts.max() == 60_768 && starts.count == 29)
  }

  @Test func `where the highest ports are not ours the start is one that is`() throws {
    for draw in 0..<UInt64(PortSpace.startRange.count) where draw % 100 == 0 {
      var space = try PortSpace(worker: 0, workerCount: 1, last: 57_343, random: draw)
      #expect((32_768...57_343).contains(space.take()!))
    }
  }

  @Test func `a port that was given back is the last to be used again`() throws {
    var space = try PortSpace(worker: 0, workerCount: 1, random: 0)
    let first = space.take()!
    space.giveBack(first)
    for _ in 1..<space.capacity { #expect(space.take() != first) }
    #expect(space.take() == first)
    #expect(space.take() == nil)
  }

  @Test(arguments: [1, 5, 256], Seeds.all)
  func `any sequence of taking and giving back never gives a port twice`(workerCount: Int, seed: UInt64)
    throws
  {
    var random = SeededRandom(seed: seed)
    let worker = Int.random(in: 0..<workerCount, using: &random)
    var space = try PortSpace(worker: worker, workerCount: workerCount, random: random.next())
    var taken = Set<UInt16>()
    var list = [UInt16]()
    for _ in 0..<20_000 {
      if random.oneIn(3), !list.isEmpty {
        list.swapAt(Int.random(in: 0..<list.count, using: &random), list.count - 1)
        let port = list.removeLast()
        taken.remove(port)
        space.giveBack(port)
      } else if let port = space.take() {
        guard taken.insert(port).inserted else {
          Issue.record("\(port) was given twice")
          return
        }
        list.append(port)
      } else {
        #expect(taken.count == space.capacity)
      }
    }
    #expect(space.takenCount == taken.count)
  }

  @Test func `a port given back twice traps`() async {
    await #expect(processExitsWith: .failure) {
      var space = try PortSpace(worker: 0, workerCount: 1, random: 0)
      let port = space.take()!
      space.giveBack(port)
      space.giveBack(port)
    }
  }
}
