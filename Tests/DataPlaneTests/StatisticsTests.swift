import Glibc
import Synchronization
import Testing

@testable import DataPlane

@Suite struct StatisticsTests {
  @Test func `every counter and every reason counts for itself`() {
    let statistics = Statistics()
    defer { statistics.deallocate() }
    for (number, counter) in Counter.allCases.enumerated() { statistics.add(counter, number + 1) }
    for (number, reason) in DropReason.allCases.enumerated() { statistics.drop(reason, 1_000 + number) }
    let snapshot = statistics.snapshot()
    for (number, counter) in Counter.allCases.enumerated() {
      #expect(snapshot[counter] == UInt64(number + 1))
    }
    for (number, reason) in DropReason.allCases.enumerated() {
      #expect(snapshot[reason] == UInt64(1_000 + number))
    }
  }

  @Test func `counters start at zero, go up by one, and what was counted too early is taken back`() {
    let statistics = Statistics()
    defer { statistics.deallocate() }
    #expect(statistics.snapshot() == StatisticsSnapshot())
    for _ in 0..<7 { statistics.add(.datagramsIn) }
    statistics.add(.datagramsIn, -3)
    statistics.drop(.fragment)
    #expect(statistics.snapshot()[.datagramsIn] == 4)
    #expect(statistics.snapshot()[.fragment] == 1)
  }

  @Test func `snapshots add up over workers and stay as they were taken`() {
    let workers = (0..<3).map { _ in Statistics() }
    defer { for worker in workers { worker.deallocate() } }
    for (number, worker) in workers.enumerated() {
      worker.add(.segmentsOut, number + 1)
      worker.drop(.badChecksum, 10 * number)
    }
    let sum = workers.map { $0.snapshot() }.reduce(StatisticsSnapshot(), +)
    workers[0].add(.segmentsOut, 1_000)
    #expect(sum[.segmentsOut] == 6 && sum[.badChecksum] == 30)
    #expect(sum[.segmentsIn] == 0)
    #expect(sum + StatisticsSnapshot() == sum)
  }

  @Test func `a reader sees a counter grow and never go back`() {
    let statistics = Statistics()
    defer { statistics.deallocate() }
    let total: UInt64 = 100_000
    let disorder = Atomic(0)
    runConcurrently(
      { for _ in 0..<total { statistics.add(.datagramsIn) } },
      {
        var last: UInt64 = 0
        while last < total {
          let seen = statistics.snapshot()[.datagramsIn]
          if seen < last || seen > total {
            disorder.store(1, ordering: .relaxed)
            return
          }
          last = seen
          sched_yield()
        }
      })
    let found = disorder.load(ordering: .relaxed)
    #expect(found == 0)
    #expect(statistics.snapshot()[.datagramsIn] == total)
  }

  @Test func `counters have a name each`() {
    let names = Counter.allCases.map(\.name)
    #expect(Set(names).count == names.count)
    #expect(names.allSatisfy { !$0.isEmpty && $0.first != " " && $0.last != " " })
    // The cells are found by raw value.
    #expect(Counter.allCases.map(\.rawValue) == Array(0..<Counter.allCases.count))
  }
}
