import CLiburing
import DataPlane
import Glibc
import Testing

@testable import Control

/// Each filter is put in force for a thread that ends with the test.
@Suite(.enabled(if: SystemCallFilter.isAvailable))
struct SystemCallFilterTests {
  /// What a call came to: 0, or its errno.
  private typealias Outcome = Int32

  /// Calls `body` on a thread of its own, under the filter.
  private func outcomes(
    under filter: SystemCallFilter, _ body: @escaping @Sendable () -> [Outcome]
  ) throws -> [Outcome] {
    let results = Results()
    let thread = try WorkerThread(named: "filtered") { ready in
      do throws(KernelError) {
        try KernelError.check("prctl", guise_thread_refuse_new_privileges())
        try filter.install()
        results.list = body()
        ready(nil)
      } catch {
        ready(error)
      }
    }
    defer { thread.join() }
    try thread.waitUntilReady()
    return results.list
  }

  /// Written by the thread before it reports, read after.
  private final class Results: @unchecked Sendable { var list: [Outcome] = [] }

  private static func outcome(_ result: Int32) -> Outcome { result < 0 ? errno : 0 }

  private static func openSocket(_ family: Int32, _ kind: Int32) -> Outcome {
    let result = socket(family, kind | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard result >= 0 else { return errno }
    close(result)
    return 0
  }

  private static func set(_ level: Int32, _ option: Int32) -> Outcome {
    var value: Int32 = 65_536
    // No socket: who gets as far as the kernel's own checks hears EBADF.
    return outcome(unsafe setsockopt(-1, level, option, &value, 4))
  }

  private static func map(_ protection: Int32) -> Outcome {
    let memory = unsafe mmap(nil, 4_096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard let memory = unsafe memory, unsafe memory != MAP_FAILED else { return errno }
    unsafe munmap(memory, 4_096)
    return 0
  }

  private static let datagrams = Int32(SOCK_DGRAM.rawValue)

  @Test(arguments: EngineKind.allCases)
  func aServersWorkerOpensUDPSocketsAndNoOthers(engine: EngineKind) throws {
    let outcomes = try outcomes(under: WorkerCalls.filter(engine, .server)) {
      [
        Self.openSocket(AF_INET, Self.datagrams | Int32(SOCK_NONBLOCK.rawValue)),
        Self.openSocket(AF_INET6, Self.datagrams),
        Self.openSocket(AF_INET, Int32(SOCK_STREAM.rawValue)),
        Self.openSocket(AF_NETLINK, Self.datagrams),
        Self.openSocket(AF_UNIX, Self.datagrams),
        Self.set(SOL_SOCKET, SO_RCVBUFFORCE), Self.set(17, 104), Self.set(Int32(IPPROTO_IP), 24),
        Self.set(SOL_SOCKET, SO_REUSEPORT), Self.set(SOL_SOCKET, SO_MARK), Self.set(17, 24),
        Self.set(Int32(IPPROTO_IP), 19),
      ]
    }
    #expect(outcomes == [0, 0, EPERM, EPERM, EPERM, EBADF, EBADF, EBADF, EBADF, EPERM, EPERM, EPERM])
  }

  @Test(arguments: EngineKind.allCases)
  func aClientsWorkerOpensNone(engine: EngineKind) throws {
    let outcomes = try outcomes(under: WorkerCalls.filter(engine, .client)) {
      [
        Self.openSocket(AF_INET, Self.datagrams), Self.set(SOL_SOCKET, SO_RCVBUF),
        Self.outcome(unsafe open("/dev/null", O_RDONLY)),
        Self.map(PROT_READ | PROT_WRITE), Self.map(PROT_READ | PROT_EXEC),
        // Room for a flow file.
        posix_fallocate(-1, 0, 4_096),
      ]
    }
    #expect(outcomes == [EPERM, EPERM, EPERM, 0, EPERM, EBADF])
  }

  @Test func anEnginesFilterKnowsItsOwnCallsAlone() throws {
    let calls: @Sendable () -> [Outcome] = { [-guise_epoll_add(-1, -1, 0, 0)] }
    #expect(try outcomes(under: WorkerCalls.filter(.epoll, .client), calls) == [EBADF])
    #expect(try outcomes(under: WorkerCalls.filter(.uring, .client), calls) == [EPERM])
  }

  @Test func theMainThreadKeepsWhatProgramsNeedAndLosesTheRest() throws {
    let outcomes = try outcomes(under: SupervisorCalls.filter) {
      [
        Self.openSocket(AF_NETLINK, Self.datagrams),
        (try? ChildProcess.run("/bin/true", []))?.status ?? -1,
        -guise_new_network(), -guise_enter_network(-1),
        Self.outcome(unsafe mount("none", "/nowhere", "tmpfs", 0, nil)),
        (try? UringProbe.run()) == nil ? 1 : 0,
      ]
    }
    #expect(outcomes == [0, 0, EPERM, EPERM, EPERM, 1])
  }

  @Test func theFirstRuleThatFitsDecides() throws {
    let filter = SystemCallFilter(
      rules: [
        SystemCallFilter.Rule(
          call: SYS_dup2, verdict: .refuse(EXDEV),
          conditions: [.argument(0, is: -5, -6), .argument(1, masked: 0xf0, is: 0x30)]),
        SystemCallFilter.Rule(
          call: SYS_dup2, verdict: .refuse(EDOM), conditions: [.argument(1, masked: 0x0f, is: 1)]),
      ],
      otherwise: .allow, isLogged: false)
    let outcomes = try outcomes(under: filter) {
      [(-5, 0x30), (-6, 0x3f), (-7, 0x30), (-5, 0x40), (-5, 0x41), (-7, 0x31), (-6, 0x31)].map {
        Self.outcome(dup2($0, $1))
      }
    }
    #expect(outcomes == [EXDEV, EXDEV, EBADF, EBADF, EDOM, EDOM, EXDEV])
  }
}
