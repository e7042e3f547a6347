import DataPlane
import Glibc
import Testing

@testable import Control

@Suite struct HostToolTests {
  @Test func aProgramsOutputErrorsAndStatusComeBack() throws {
    let outcome = try ChildProcess.run(
      "/bin/sh", ["-c", "cat; echo $1; echo bad >&2; exit 3", "-", "a b"], input: "in\n")
    #expect(outcome == ChildProcess.Outcome(status: 3, output: "in\na b\n", errors: "bad\n"))
  }

  @Test func outputLargerThanAPipeIsReadToItsEnd() throws {
    let outcome = try ChildProcess.run("/bin/sh", ["-c", "head -c 300000 /dev/zero | tr '\\0' x; exit 0"])
    #expect(outcome.output.utf8.count == 300_000)
  }

  @Test func inputLargerThanAPipeArrivesWhole() throws {
    let input = (0..<200_000).map { "\($0 % 10)" }.joined()
    #expect(try ChildProcess.run("/bin/cat", [], input: input).output == input)
    #expect(try ChildProcess.run("/bin/sh", ["-c", "head -c 10"], input: input).output == "0123456789")
  }

  @Test func aSignalCountsAsFailure() throws {
    #expect(try ChildProcess.run("/bin/sh", ["-c", "kill -9 $$"]).status == 128 + 9)
  }

  @Test func aProgramThatIgnoresItsInputDoesNotEndUs() throws {
    let input = String(repeating: "x", count: 1_000_000)
    #expect(try ChildProcess.run("/bin/true", [], input: input).status == 0)
  }

  @Test func aProgramThatIsNotThereIsReported() {
    #expect(throws: ChildProcess.Failure.notStarted(errno: ENOENT)) {
      try ChildProcess.run("/no/such/program", [])
    }
  }

  @Test func aFailedCommandIsReportedWithWhatItSaid() {
    let error = #expect(throws: SetupError.self) {
      try HostTool.ip.run(["link", "show", "dev", "no-such-dev"])
    }
    #expect(
      error
        == .toolFailed(
          .ip, command: "ip link show dev no-such-dev", status: 1,
          message: "Device \"no-such-dev\" does not exist."))
  }

  @Test func capabilitiesAreReadOutOfTheStatus() throws {
    let root = ["Name:\tguise", "CapEff:\t000001ffffffffff", "CapAmb:\t0000000000000000"]
    try Privileges(status: root, isRoot: true).check()
    #expect(throws: SetupError.notPermittedForTools) { try Privileges(status: root, isRoot: false).check() }
    let ambient = ["CapEff:\t0000000000001000", "CapAmb:\t0000000000001000"]
    try Privileges(status: ambient, isRoot: false).check()
    #expect(throws: SetupError.notPermitted) {
      try Privileges(status: ["CapEff:\t0000000000000fff"], isRoot: true).check()
    }
  }

  @Test func aListenerIsFoundByItsPortInEitherFamily() {
    let lines = [
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
      "   0: 00000000:11D7 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0",
      "   1: 0100007F:1F90 00000000:0000 01 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0",
      "   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000",
    ]
    #expect(ListeningSockets.isListened(port: 4567, in: lines))
    #expect(ListeningSockets.isListened(port: 80, in: lines))
    #expect(!ListeningSockets.isListened(port: 8080, in: lines))
  }
}

@Suite struct SetupErrorTests {
  private static let address = Address("192.0.2.1")!
  private static let kernel = KernelError("io_uring_setup", errno: EPERM)
  private static let all: [SetupError] = [
    .noTunDevice(errno: ENOENT), .noTunDevice(errno: EACCES), .notPermitted, .notPermittedForTools,
    .toolMissing(.ip), .toolMissing(.nft),
    .toolNotStarted(.ip, errno: EACCES), .toolTimedOut(command: "nft -f -", seconds: 20),
    .toolFailed(.ip, command: "ip link", status: 1, message: ""),
    .toolFailed(.nft, command: "nft -f -", status: 1, message: "Error"),
    .toolOutputUnreadable(command: "ip -j route"),
    .sysctlRefused(name: "net/ipv4/ip_forward", value: "1", errno: EROFS),
    .ipv6Unavailable(target: "::1"), .setupBusy(path: "/run/guise/1/1.lock"),
    .stateUnavailable(path: "/run/guise"),
    .deviceTaken("guise0"), .tunAddressTaken(address, reason: "eth0 has it"), .tunAddressesEqual(address),
    .noFreeTunAddress(.ipv4), .noFreeTunAddress(.ipv6), .udpPortTaken(Endpoint(address, port: 5)),
    .udpAddressUnavailable(Endpoint(address, port: 5)), .offloadRefused, .remoteLoopback(address),
    .remoteUnusable(address, kind: "a multicast or broadcast address"),
    .unresolved(option: "--remote", name: "x.invalid", reason: "unknown"),
    .familyUnavailable(option: "--remote", target: "x:5", family: .ipv4),
    .familyUnavailable(option: "--remote", target: "x:5", family: .ipv6), .mtuTooSmallForIPv6(1000),
    .fileUnreadable(path: "/x", errno: ENOENT), .handshakePacketUnusable(path: "/x", bytes: 0, limit: 9),
    .handshakePacketUnusable(path: "/x", bytes: 10, limit: 9), .engineUnavailable(.disabled("2")),
    .engineUnavailable(.filtered), .engineUnavailable(.tooOld(kernel)),
    .descriptorsExhausted(kernel), .engineUnavailable(.lockedMemory(kernel)), .kernelRefused(kernel),
    .userUnknown("x"), .userUnknown("x:y"), .flowFileImpossible(path: "/x/y", errno: ENOENT),
    .flowFileForeign(path: "/x"), .takeOverImpossible(process: 7, reason: "x"), .userNotPermitted("x"),
    .confinementRefused(kernel), .workerFailed(kernel),
    .stopForced,
  ]

  @Test(arguments: all) func everyTextIsOneLineWithoutAFullStop(error: SetupError) {
    let text = "\(error)"
    #expect(!text.contains("\n"))
    #expect(!text.hasSuffix("."))
    #expect(!text.contains("  "))
  }

  @Test func textsSayWhatToDo() {
    #expect(
      "\(SetupError.toolMissing(.nft))"
        == "nft is missing: 'apt install nftables', or use '--firewall off' and set up the rules yourself")
    #expect("\(SetupError.toolMissing(.ip))" == "ip is missing: 'apt install iproute2'")
    #expect(
      "\(SetupError.sysctlRefused(name: "net/ipv4/ip_forward", value: "1", errno: EROFS))"
        == "cannot set net.ipv4.ip_forward to 1 (Read-only file system): set it yourself with "
        + "'sysctl -w net.ipv4.ip_forward=1', or 'docker run --sysctl net.ipv4.ip_forward=1' for a container")
  }
}
