import Glibc
import Testing

@testable import Control
@testable import DataPlane

/// The program that gives packets to the workers of their flows, run by the kernel (BPF_PROG_TEST_RUN) on packets made
/// here: it must say what the workers say.
@Suite(.enabled(if: NetworkNamespaceFixture.isPossible))
struct OwnerProgramTests {
  /// A segment of a flow on its way to our end.
  private func segment(_ key: FlowKey, options: Int = 0, protocol number: UInt8 = 6) -> [UInt8] {
    ProgramPacket.bytes(
      from: key.remoteEndpoint, to: key.localEndpoint, protocol: number, options: options)
  }

  private func randomKey(isIPv4: Bool) -> FlowKey {
    func address() -> Address {
      isIPv4
        ? Address(ipv4: .random(in: 0 ... .max))
        : Address(high: .random(in: 0 ... .max), low: .random(in: 0 ... .max))
    }
    return FlowKey(
      remote: address(), local: address(), remotePort: .random(in: 0 ... .max),
      localPort: .random(in: 0 ... .max))
  }

  private func withProgram<R>(_ owners: FlowOwners, _ body: (Int32) throws -> R) throws -> R {
    let program = try BPFKernel.load(.socket, OwnerProgram.code(owners), "guise_owner")
    defer { close(program) }
    return try body(program)
  }

  @Test(arguments: [Role.client, .server], [1, 2, 3, 8, 64, 256])
  func theKernelFindsTheWorkerThatTheWorkersFind(role: Role, workers: Int) throws {
    let owners = FlowOwners.random(role, workerCount: workers)
    try withProgram(owners) { program in
      var found: Set<Int32> = []
      for number in 0..<2_000 {
        let key = randomKey(isIPv4: number % 2 == 0)
        let options = number % 4 == 0 ? 4 * Int.random(in: 0...10) : 0
        let (answer, _) = try BPFKernel.run(program, segment(key, options: options))
        #expect(answer == Int32(owners.worker(of: key)), "\(key), \(options) bytes of options")
        found.insert(answer)
      }
      // 256 workers have eight each on average: four without any come once in a hundred thousand runs.
      #expect(found.count >= workers - 3 && found.allSatisfy { (0..<Int32(workers)).contains($0) })
    }
  }

  @Test(arguments: [Role.client, .server], [true, false])
  func whatIsNoSegmentGoesToTheFirst(role: Role, isIPv4: Bool) throws {
    try withProgram(.random(role, workerCount: 256)) { program in
      let key = randomKey(isIPv4: isIPv4)
      for other in [0, 1, 17, 44, 58] as [UInt8] {
        let (answer, _) = try BPFKernel.run(program, segment(key, protocol: other))
        #expect(answer == 0, "protocol \(other)")
      }
      let whole = segment(key)
      let headers = isIPv4 ? 34 : 54
      for length in [headers, headers + 3] {
        let (answer, _) = try BPFKernel.run(program, Array(whole.prefix(length)))
        #expect(answer == 0, "\(length) bytes")
      }
      // Options that reach beyond the packet's end.
      if isIPv4 {
        var cut = segment(key)
        cut[14] = 0x4f
        let (answer, _) = try BPFKernel.run(program, Array(cut.prefix(60)))
        #expect(answer == 0)
      }
    }
  }
}
