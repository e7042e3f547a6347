import Testing

@testable import DataPlane

/// Whether a turn takes more, by what its windows have brought.
@Suite struct TurnDepthTests {
  private func factors(_ depth: inout TurnDepth, _ windows: [(Int, Int)], isBehind: Bool = true) -> [Int] {
    windows.map { datagrams, trains in
      depth.note(datagrams: datagrams, trains: trains, isBehind: isBehind)
      return depth.factor
    }
  }

  @Test func `short trains that grow with deeper turns keep them deep`() {
    var depth = TurnDepth()
    // The second window has turns of both kinds.
    #expect(factors(&depth, [(130, 100), (400, 200), (500, 100), (500, 110)]) == [4, 4, 4, 4])
    // They are no longer than they were.
    #expect(factors(&depth, [(130, 100)]) == [1])
  }

  @Test func `where lengths differ it is tried less and less`() {
    var depth = TurnDepth()
    let tries = factors(&depth, Array(repeating: (110, 100), count: 2_000)).count { $0 > 1 }
    #expect((20...100).contains(tries), "\(tries)")
  }

  @Test func `long trains, and a worker that keeps up, need no depth`() {
    var depth = TurnDepth()
    #expect(factors(&depth, [(700, 100), (2_000, 100)]) == [1, 1])
    #expect(factors(&depth, [(130, 100)], isBehind: false) == [1])
    #expect(factors(&depth, [(130, 100), (400, 100), (500, 100)]) == [4, 4, 4])
    #expect(factors(&depth, [(500, 100)], isBehind: false) == [1])
    // Nothing speaks against another attempt.
    #expect(factors(&depth, [(130, 100), (400, 100), (3_000, 100)]) == [4, 4, 1])
  }
}
