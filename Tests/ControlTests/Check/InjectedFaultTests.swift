import DataPlane
import Foundation
import Glibc
import Testing

@testable import Control

/// Faults that a test cannot make on a real host: a view of another one.
@Suite struct InjectedFaultTests {
  private let folder = FileManager.default.temporaryDirectory.appending(path: "gc-check-\(UUID())")

  /// A host where everything is well, with these files in place of `/proc`.
  private func host(_ files: [String: String] = [:]) throws -> HostView {
    for (name, text) in files {
      let file = folder.appending(path: name)
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try text.write(to: file, atomically: true, encoding: .utf8)
    }
    let administrator = ["CapEff:\t000001ffffffffff", "CapAmb:\t0000000000000000"]
    return HostView(
      privileges: Privileges(status: administrator, isRoot: true),
      sysctl: Sysctl(root: folder.path() + "/proc/sys"), root: folder.path(),
      openFileLimits: rlimit(rlim_cur: 1024, rlim_max: 1_048_576), openTun: { 0 },
      tryUring: { () throws(KernelError) in }, path: { "/usr/sbin/\($0.rawValue)" },
      run: { (_, _, _) throws(SetupError) in "" },
      offloads: { _ in LinkOffloads(gro: true, gso: true, tso: true) }, obstacleToBypass: { _ in nil },
      receiveBuffer: { 64 << 20 })
  }

  private let plan = CheckPlan(local: nil, peer: nil, service: try! ListenPort("4567"))

  private func expect(
    _ check: some Check, on host: HostView, _ verdict: Finding.Verdict, _ text: String, remedy: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let findings = check.findings(plan, host)
    #expect(
      findings.contains {
        $0.verdict == verdict && $0.text.contains(text) && $0.remedy?.contains(remedy) == true
      }, "\(findings)", sourceLocation: sourceLocation)
  }

  @Test func anOldKernel() throws {
    let old = try host(["proc/sys/kernel/osrelease": "5.10.0-33-amd64\n"])
    expect(
      KernelCheck(), on: old, .warn, "lacks waits of less than a millisecond (5.11)", remedy: "Linux 6.7")
    let older = try host(["proc/sys/kernel/osrelease": "4.19.0\n"])
    expect(KernelCheck(), on: older, .fail, "has no NAT", remedy: "--firewall off")
    let fine = try host(["proc/sys/kernel/osrelease": "6.18.44-fc\n"])
    #expect(KernelCheck().findings(plan, fine) == [.fine("Linux 6.18.44-fc")])
  }

  @Test func uringIsForbidden() throws {
    var host = try host(["proc/sys/kernel/io_uring_disabled": "2\n"])
    host.tryUring = { () throws(KernelError) in throw KernelError("io_uring_setup", errno: EPERM) }
    expect(
      EngineCheck(), on: host, .warn, "io_uring_disabled is 2", remedy: "sysctl -w kernel.io_uring_disabled=0"
    )
    host.sysctl = Sysctl(root: "/nonexistent")
    expect(EngineCheck(), on: host, .warn, "seccomp", remedy: "--security-opt seccomp=")
    host.tryUring = { () throws(KernelError) in throw KernelError("io_uring_setup", errno: ENOSYS) }
    expect(EngineCheck(), on: host, .warn, "this kernel lacks", remedy: "Linux 6.7")
  }

  @Test func uringIsForbiddenToOthers() throws {
    let host = try host(["proc/sys/kernel/io_uring_disabled": "1\n"])
    expect(EngineCheck(), on: host, .warn, "others may not", remedy: "io_uring_disabled=0")
  }

  @Test func connectionTrackingIsFull() throws {
    let files = ["nf_conntrack_max": "65536", "nf_conntrack_count": "60000"]
    let full = try host(Dictionary(uniqueKeysWithValues: files.map { ("proc/sys/net/netfilter/\($0)", $1) }))
    expect(ConntrackCheck(), on: full, .warn, "60000 of 65536", remedy: "nf_conntrack_max=262144")
  }

  @Test func connectionTrackingIsSmall() throws {
    let small = try host(["proc/sys/net/netfilter/nf_conntrack_max": "8192"])
    expect(ConntrackCheck(), on: small, .warn, "room for 8192 flows", remedy: "nf_conntrack_max=262144")
  }

  @Test func theKernelTakesNoRules() throws {
    var host = try host()
    host.run = { (tool, arguments, _) throws(SetupError) in
      throw .toolFailed(tool, command: "nft --check -f -", status: 1, message: "Could not process rule")
    }
    expect(TranslationCheck(), on: host, .fail, "failed with status 1", remedy: "modprobe nft_chain_nat")
  }

  @Test func theDeviceIsNotForThisUser() throws {
    var host = try host()
    host.openTun = { EACCES }
    expect(TunCheck(), on: host, .fail, "may not open /dev/net/tun", remedy: "run as root")
  }

  @Test func aProgramIsTooOld() throws {
    var host = try host()
    host.run = { (_, _, _) throws(SetupError) in "Option \"-j\" is unknown" }
    expect(ToolsCheck(), on: host, .fail, "is not the expected JSON", remedy: "iproute2 5.0")
  }

  @Test func iptablesOfOldHasRules() throws {
    let host = try host(["proc/net/ip_tables_names": "nat\nfilter\n"])
    expect(ForwardHookCheck(), on: host, .warn, "iptables-legacy has rules", remedy: "-I FORWARD -i guise+")
  }

  @Test func theSummaryAndTheLinesSayItAll() throws {
    struct Sample: Check {
      let name = "sample"
      func findings(_ plan: CheckPlan, _ host: HostView) -> [Finding] {
        [.fine("a"), .warn("b", mend: "do b"), .fail(.toolMissing(.ip))]
      }
    }
    let checkup = Checkup.run(plan, try host(), [Sample()])
    #expect(
      checkup.entries.map(Checkup.line).joined() == """
        fine  sample        a
        warn  sample        b
                            -> do b
        fail  sample        ip is missing
                            -> 'apt install iproute2'

        """)
    #expect(checkup.summary == "1 fine, 1 to be warned of, 1 in the way\n")
    #expect(!checkup.isPassed(isStrict: false))
    #expect(checkup.json.contains("\"check\" : \"sample\""))
  }
}
