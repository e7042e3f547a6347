import Foundation
import Testing

@testable import Control

/// A network namespace of a test's own, with one link to nowhere; it goes with the object.
///
/// ```
/// gc-PID-N:  lo   gcv0 203.0.113.1/24, 2001:db8::1/64 --- gcv1
/// ```
final class NetworkNamespaceFixture {
  static let isPossible = geteuid() == 0 && HostTool.ip.path() != nil && HostTool.nft.path() != nil

  let name: String
  /// What `/run/guise` calls it.
  let inode: String

  init(_ purpose: String) throws {
    name = "gc-\(getpid())-\(purpose)"
    try HostTool.ip.run(["netns", "add", name])
    inode = try ChildProcess.run("/usr/bin/stat", ["-L", "-c", "%i", "/run/netns/\(name)"]).output
      .trimmingCharacters(in: .whitespacesAndNewlines)
    // Numbers of namespaces are used again: what is there already is somebody's who has gone.
    try? FileManager.default.removeItem(atPath: stateDirectory)
    for arguments in [
      ["link", "set", "lo", "up"], ["link", "add", "gcv0", "type", "veth", "peer", "name", "gcv1"],
      ["address", "add", "203.0.113.1/24", "dev", "gcv0"],
      ["address", "add", "2001:db8::1/64", "dev", "gcv0", "nodad"], ["link", "set", "gcv0", "mtu", "1492"],
      ["link", "set", "gcv0", "up"], ["link", "set", "gcv1", "up"],
    ] { try ip(arguments) }
  }

  deinit {
    _ = try? HostTool.ip.run(["netns", "delete", name])
    try? FileManager.default.removeItem(atPath: configuration)
  }

  /// What ip-netns(8) puts in the place of files in /etc.
  private var configuration: String { "/etc/netns/\(name)" }

  /// What names mean to programs that start here, and from then on.
  func setHosts(_ text: String) throws {
    try FileManager.default.createDirectory(atPath: configuration, withIntermediateDirectories: true)
    // In place: a program that runs has the file that was there.
    try Data(text.utf8).write(to: URL(filePath: "\(configuration)/hosts"))
  }

  @discardableResult
  func ip(_ arguments: [String]) throws -> String { try HostTool.ip.run(["-n", name] + arguments) }

  func run(_ arguments: [String]) throws -> String {
    try HostTool.ip.run(["netns", "exec", name] + arguments)
  }

  /// Programs and other filters for what comes in by a device.
  func filters(_ device: String) throws -> String {
    try run(["tc", "filter", "show", "dev", device, "ingress"])
  }

  var ruleset: String { get throws { try run(["nft", "list", "ruleset"]) } }

  func sysctl(_ key: String) throws -> String {
    try run(["cat", "/proc/sys/" + key]).trimmingCharacters(in: .whitespacesAndNewlines)
  }

  func setSysctl(_ key: String, _ value: String) throws {
    _ = try run(["sh", "-c", "echo \(value) > /proc/sys/\(key)"])
  }

  /// What guise has on record for this namespace, besides the lock.
  var records: [String] {
    TextFile.names(in: stateDirectory).filter { !$0.hasSuffix(".lock") }
  }

  var stateDirectory: String { "\(StateDirectory.standardPath)/\(inode)" }

  func hasDevice(_ device: String) -> Bool { (try? ip(["link", "show", "dev", device])) != nil }

  /// Whether nothing is left: no table, no device, no record, no forwarding.
  func expectUntouched(sourceLocation: SourceLocation = #_sourceLocation) throws {
    #expect(try ruleset.isEmpty, sourceLocation: sourceLocation)
    let qdiscs = try run(["tc", "qdisc", "show"])
    #expect(!qdiscs.contains("clsact"), sourceLocation: sourceLocation)
    #expect(!hasDevice("guise0") && !hasDevice("guise1"), sourceLocation: sourceLocation)
    #expect(TextFile.names(in: stateDirectory).isEmpty, sourceLocation: sourceLocation)
    for key in ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"] {
      #expect(try sysctl(key) == "0", sourceLocation: sourceLocation)
    }
    for interface in ["default", "gcv0"] {
      let key = "net/ipv6/conf/\(interface)/accept_ra"
      #expect(try sysctl(key) == "1", sourceLocation: sourceLocation)
    }
  }
}

/// The program under test, in a namespace.
final class GuiseProcess {
  private let process = Process()
  private let log: String

  /// Beside the test bundle.
  static let path = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
    .appending(path: "guise").path()

  /// The same as a command, for `ChildProcess`, which hands no environment on: a sanitizer's options are in it.
  static let command = [
    "/usr/bin/env", "ASAN_OPTIONS=\(ProcessInfo.processInfo.environment["ASAN_OPTIONS"] ?? "")", path,
  ]

  /// `wrapper`: a command that runs another.
  init(_ namespace: NetworkNamespaceFixture, _ arguments: [String], under wrapper: [String] = []) throws {
    log = FileManager.default.temporaryDirectory.appending(path: "gc-log-\(UUID())").path()
    _ = FileManager.default.createFile(atPath: log, contents: nil)
    process.executableURL = URL(filePath: try #require(HostTool.ip.path()))
    process.arguments = ["netns", "exec", namespace.name] + wrapper + [Self.path] + arguments
    process.standardError = FileHandle(forWritingAtPath: log)
    process.standardOutput = FileHandle.nullDevice
    try process.run()
  }

  deinit {
    if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    try? FileManager.default.removeItem(atPath: log)
  }

  var output: String { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }

  /// Waits until the log holds `text`; false when the process ends without, or after ten seconds.
  func waits(for text: String) -> Bool {
    for _ in 0..<1000 {
      if output.contains(text) { return true }
      guard process.isRunning else { return output.contains(text) }
      usleep(10_000)
    }
    return false
  }

  var processID: Int32 { process.processIdentifier }

  func send(_ signal: Int32) { kill(process.processIdentifier, signal) }

  /// Waits for the end and returns the exit status, or 128 plus the signal.
  func status() -> Int32 {
    process.waitUntilExit()
    return process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus
  }

  func status(after signal: Int32) -> Int32 {
    send(signal)
    return status()
  }
}
