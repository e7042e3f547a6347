import DataPlane
import Foundation
import Glibc
import Testing

@testable import Control

/// The program that deals sources out among workers, run by the kernel (BPF_PROG_TEST_RUN) on packets made here.
@Suite(.enabled(if: NetworkNamespaceFixture.isPossible))
struct SpreadProgramTests {
  /// A datagram of one source, for a port of this host.
  private func datagram(from source: Endpoint, options: Int = 0) -> [UInt8] {
    let here = Address(source.address.isIPv4 ? "127.0.0.1" : "::1")!
    return ProgramPacket.bytes(
      from: source, to: Endpoint(here, port: 1_234), protocol: 17, options: options)
  }

  private func withProgram<R>(workers: Int, reach: Int, _ body: (Int32) throws -> R) throws -> R {
    let code = SpreadProgram.code(workers: workers, reach: reach)
    let program = try BPFKernel.load(.socket, code, "guise_spread")
    defer { close(program) }
    return try body(program)
  }

  /// The workers that a source's datagrams go to, over `slices` of time.
  private func workers(_ program: Int32, _ source: Endpoint, slices: Int, options: Int = 0) throws -> Set<
    Int32
  > {
    let packet = datagram(from: source, options: options)
    var found: Set<Int32> = []
    for _ in 0..<slices {
      found.insert(try BPFKernel.run(program, packet).answer)
      usleep(1_100)
    }
    return found
  }

  private static let addresses = ["192.0.2.1", "2001:db8::1"].map { Address($0)! }

  @Test(arguments: addresses, [(1, 1), (2, 2), (5, 2), (4, 4), (8, 3)])
  func aSourceGoesToSoManyWorkersThatFollowEachOther(address: Address, plan: (workers: Int, reach: Int))
    throws
  {
    try withProgram(workers: plan.workers, reach: plan.reach) { program in
      for port in [1_000, 1_001, 40_000] as [UInt16] {
        let found = try workers(program, Endpoint(address, port: port), slices: 60)
        // With four, one of them is missed once in 10^7 times.
        #expect(found.count == plan.reach)
        #expect(
          (0..<Int32(plan.workers)).contains { base in
            found == Set((0..<Int32(plan.reach)).map { (base + $0) % Int32(plan.workers) })
          }, "\(found)")
      }
    }
  }

  @Test(arguments: addresses) func sourcesAreSpreadOverAllWorkers(address: Address) throws {
    try withProgram(workers: 4, reach: 1) { program in
      var counts = [Int](repeating: 0, count: 4)
      for port in 2_000..<2_400 as Range<UInt16> {
        let packet = datagram(from: Endpoint(address, port: port))
        counts[Int(try BPFKernel.run(program, packet).answer)] += 1
      }
      #expect(counts.allSatisfy { (60...140).contains($0) }, "\(counts)")
    }
  }

  @Test func optionsOfIPv4AreNotTakenForPorts() throws {
    try withProgram(workers: 64, reach: 1) { program in
      let source = Endpoint(Self.addresses[0], port: 5_000)
      let plain = try workers(program, source, slices: 1)
      #expect(try workers(program, source, slices: 1, options: 8) == plain)
    }
  }

  @Test func datagramsThatFollowEachOtherCloselyGoToTheSame() throws {
    try withProgram(workers: 2, reach: 2) { program in
      let packet = datagram(from: Endpoint(Self.addresses[0], port: 7_000))
      var (changes, last) = (0, Int32(-1))
      let start = ContinuousClock.now
      for _ in 0..<2_000 {
        let answer = try BPFKernel.run(program, packet).answer
        if answer != last { changes += 1 }
        last = answer
      }
      // Half of the slices that began meanwhile go elsewhere.
      let slices = Int((ContinuousClock.now - start) / .microseconds(1_048)) + 2
      #expect(changes <= slices)
    }
  }

  @Test(arguments: addresses) func whatHasNoPortsIsLeftToTheKernel(address: Address) throws {
    try withProgram(workers: 2, reach: 2) { program in
      let whole = datagram(from: Endpoint(address, port: 1_000))
      for length in [0, 1].map({ $0 + (address.bytes.count == 4 ? 34 : 54) }) {
        let (answer, _) = try BPFKernel.run(program, Array(whole.prefix(length)))
        #expect(answer == -1, "\(length) bytes")
      }
    }
  }
}
