import Glibc
import Testing

@testable import DataPlane

/// Faults of hosts and path, thousands of combinations: nothing traps, nothing is lost without a name, everything
/// that was lent comes home, and when the faults are over, so is their effect.
///
/// `GUISE_FAULT_SEEDS=n` runs as many (`make simulate`), `GUISE_TEST_SEED=n` one.
@Suite struct FaultTests {
  /// Seeds of one test, so that there are few tests and many at once.
  private static let blockLength: UInt64 = 25

  private static let seeds: [ClosedRange<UInt64>] = {
    if let text = unsafe getenv("GUISE_TEST_SEED"), let seed = UInt64(unsafe String(cString: text)) {
      return [seed...seed]
    }
    let text = unsafe getenv("GUISE_FAULT_SEEDS").map { unsafe String(cString: $0) }
    let count = text.flatMap { UInt64($0) } ?? 100
    return stride(from: 1, through: count, by: Int(blockLength)).map {
      $0...min($0 + blockLength - 1, count)
    }
  }()

  @Test(arguments: seeds)
  func `whatever goes wrong, all is counted, comes home, and works again`(seeds: ClosedRange<UInt64>) throws {
    for seed in seeds { try run(seed) }
  }

  private func run(_ seed: UInt64) throws {
    let comment = Comment(rawValue: "seed \(seed)")
    let site = try FaultySite(seed: seed)
    for _ in 0..<8 { try site.sufferPhase() }
    try site.recover()
    #expect(try site.answersComeBack(within: 10), comment)
    #expect(site.wrongs == [], comment)
    // What was refused is told of in the turns after.
    for _ in 0..<4 { try site.step(1_000_000) }
    if site.isCountable { #expect(site.server.statistics[.segmentsIn] == site.arrivedAtServer, comment) }
    for team in [site.client, site.server] {
      // Borrowed buffers are given up one turn after the train that holds them, and then come home.
      for _ in 0..<3 { try team.turn() }
      team.stop()
      expectBalance(team, comment)
      for worker in team.workers {
        #expect(worker.freeTrains == Limits.trainCount, comment)
        #expect(worker.freeBuffers == SimulatedGateway.allBuffers, comment)
        #expect(worker.worker.lentCount == 0 && worker.flowCount == 0, comment)
        #expect(worker.worker.ports.takenCount == 0 && worker.kernel.sockets.isEmpty, comment)
      }
    }
  }
}
