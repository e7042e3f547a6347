import DataPlane
import Foundation
import Glibc
import Logging
import Testing

@testable import Control

/// Who has an end's flow file, and what becomes of it.
@Suite final class FlowStoreTests {
  private let root = FileManager.default.temporaryDirectory.appending(path: "gc-flows-\(UUID())").path()
  private var directory: String { "\(root)/42" }
  private let namespace = NetworkNamespace(inode: 42, identity: "boot/7")
  private let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

  deinit { try? FileManager.default.removeItem(atPath: root) }

  private var path: String { "\(directory)/42-server-4567.flows" }

  private func state() throws -> StateDirectory { try StateDirectory(root: root, namespace: namespace) }

  private static func configuration(takesOver: Bool = false) throws -> GatewayConfiguration {
    var configuration = GatewayConfiguration(
      listen: .tcp(nil, port: 4_567), remote: try HostPort("127.0.0.1:5000"))
    configuration.takesOver = takesOver
    return configuration
  }

  private struct NotKept: Error {}

  /// A lock goes with its last descriptor, which a program that another test starts has too until its exec.
  private func open(takesOver: Bool = false, attempts: Int = 400) throws -> FlowStore {
    for _ in 0..<attempts {
      if let store = try FlowStore.open(try Self.configuration(takesOver: takesOver), try state(), log) {
        return store
      }
      usleep(5_000)
    }
    throw NotKept()
  }

  private func header(namespace: String = "boot/7", role: Role = .server) -> FlowFileHeader {
    FlowFileHeader(
      namespace: namespace, processID: 123, role: role, device: "guise7", mtu: 1_500,
      listen: Endpoint(.unspecified, port: 4_567), remote: Endpoint(Address("127.0.0.1")!, port: 5_000),
      idleTimeoutSeconds: 180)
  }

  /// What a process that was killed leaves.
  private func leave(_ header: FlowFileHeader) throws {
    var store = try open()
    #expect(store.make(header, workerCount: 1, flowsPerWorker: 100) != nil)
    store.commit()
  }

  private var names: [String] { TextFile.names(in: directory).filter { $0.contains(".flows") } }

  @Test func theFilesNameSaysWhoseEndItIs() throws {
    let state = try state()
    #expect(state.flowFile(of: .tcp(nil, port: 4_567)) == path)
    let address = Address("2001:db8::1")!
    #expect(
      state.flowFile(of: .tcp(address, port: 4_567)) == "\(directory)/42-server-[2001:db8::1]:4567.flows")
    #expect(
      state.flowFile(of: .udp(try HostPort("127.0.0.1:1234")))
        == "\(directory)/42-client-127.0.0.1:1234.flows")
  }

  @Test func theFirstProcessHasNoPredecessorAndLeavesNothingAtAnOrderlyEnd() throws {
    var store = try open()
    #expect(store.predecessor == nil)
    #expect(store.make(header(), workerCount: 1, flowsPerWorker: 100) != nil)
    #expect(names == ["42-server-4567.flows.new"])
    store.commit()
    #expect(names == ["42-server-4567.flows"])
    store.discard()
    #expect(names.isEmpty)
  }

  @Test func theFileIsForItsOwnerAlone() throws {
    try leave(header())
    let attributes = try FileManager.default.attributesOfItem(atPath: path)
    #expect(attributes[.posixPermissions] as? Int == 0o600)
  }

  @Test func whatAKilledProcessLeftIsFoundAndReplacedOnlyByACompleteFile() throws {
    try leave(header())
    var store = try open()
    #expect(store.predecessor?.header.device == "guise7")
    #expect(store.predecessor?.isRunning == false)
    #expect(store.flows().isEmpty)
    #expect(store.make(header(), workerCount: 1, flowsPerWorker: 100) != nil)
    store.abandon()
    #expect(names == ["42-server-4567.flows"])
    store.letGo()
    let next = try open()
    #expect(next.predecessor != nil)
  }

  @Test func aRunningProcessIsLeftAloneUnlessItShallBeReplaced() throws {
    var first = try open()
    #expect(first.make(header(), workerCount: 1, flowsPerWorker: 100) != nil)
    first.commit()
    #expect(throws: NotKept.self) { _ = try open(attempts: 1) }
    let successor = try open(takesOver: true)
    #expect(successor.predecessor?.isRunning == true)
    first.discard()
  }

  @Test func onlyTheProcessThatHoldsTheFileIsAskedToLeave() throws {
    let file = try LockedFile("\(root).lock")
    #expect(LockedFile.isHeld("\(root).lock", by: getpid()))
    #expect(!LockedFile.isHeld("\(root).lock", by: 1))
    file.remove()
    // A file of an unprivileged user may name any process: here 123, while this one has it.
    var first = try open()
    #expect(first.make(header(), workerCount: 1, flowsPerWorker: 100) != nil)
    first.commit()
    var successor = try open(takesOver: true)
    #expect(throws: SetupError.self) { try successor.takeOver() }
    first.discard()
  }

  /// Numbers of inodes begin anew in each file system.
  @Test(.enabled(if: geteuid() == 0)) func aFileOfAnotherFileSystemWithTheSameNumberIsAnotherFile() throws {
    let folders = ["\(root)-a", "\(root)-b"]
    defer {
      for folder in folders {
        unsafe umount2(folder, Int32(MNT_DETACH))
        unsafe rmdir(folder)
      }
    }
    for folder in folders {
      let isMounted = unsafe mkdir(folder, 0o700) == 0 && mount("none", folder, "tmpfs", 0, nil) == 0
      try #require(isMounted)
    }
    let files = folders.map { "\($0)/x.lock" }
    let other = Process()
    other.executableURL = URL(filePath: "/usr/bin/flock")
    other.arguments = [files[1], "-c", "exec cat"]
    other.standardInput = Foundation.Pipe()
    try other.run()
    defer { other.terminate() }
    while LockedFile.holders(files[1]).isEmpty { usleep(10_000) }
    let own = try LockedFile(files[0])
    let numbers = try files.map { file in
      var status = stat()
      let isThere = unsafe stat(file, &status) == 0
      try #require(isThere)
      return status.st_ino
    }
    #expect(numbers[0] == numbers[1])
    #expect(LockedFile.holders(files[0]) == [getpid()])
    #expect(!LockedFile.holders(files[1]).contains(getpid()))
    own.remove()
  }

  /// `--flow-file` may be mistyped, and guise is root.
  @Test func whatIsNoFlowFileIsLeftAloneAndRefused() throws {
    let file = "\(root)-precious"
    defer { for path in [file, "\(file).new"] { try? FileManager.default.removeItem(atPath: path) } }
    var configuration = try Self.configuration()
    configuration.flowFile = .path(file)
    for (contents, isRefused) in [
      ("root:x:0:0:root", true), ("x", true), ("", false), ("\0\0\0\0\0\0\0\0\0\0", false),
      ("guiseflw of another version", false),
    ] {
      for path in [file, "\(file).new"] {
        try? FileManager.default.removeItem(atPath: file)
        try contents.write(toFile: path, atomically: false, encoding: .utf8)
        if isRefused {
          #expect(throws: SetupError.flowFileForeign(path: path)) {
            _ = try FlowStore.open(configuration, nil, log)
          }
          #expect(try String(contentsOfFile: path, encoding: .utf8) == contents)
        } else {
          #expect(throws: Never.self) { _ = try FlowStore.open(configuration, nil, log) }
        }
        try FileManager.default.removeItem(atPath: path)
      }
    }
    try FileManager.default.createSymbolicLink(atPath: file, withDestinationPath: "/etc/passwd")
    #expect(throws: SetupError.flowFileForeign(path: file)) {
      _ = try FlowStore.open(configuration, nil, log)
    }
  }

  @Test func aFileOfAnotherBootNamespaceOrRoleIsNotGoneOnWith() throws {
    for header in [header(namespace: "boot/8"), header(namespace: "other/7"), header(role: .client)] {
      try leave(header)
      let store = try open()
      #expect(store.predecessor == nil)
    }
  }

  @Test(arguments: ["", "{}", String(repeating: "x", count: 100_000)])
  func whatIsNoFlowFileIsReplaced(text: String) throws {
    _ = try state()
    try text.write(toFile: path, atomically: false, encoding: .utf8)
    var store = try open()
    #expect(store.predecessor == nil)
    #expect(store.make(header(), workerCount: 1, flowsPerWorker: 100) != nil)
    store.commit()
    store.letGo()
    let next = try open()
    #expect(next.predecessor != nil)
    #expect(!FlowStore.hasLivingFlows("\(path).new", "boot/7"))
  }

  @Test func nobodyIsKeptFromCleaningUpByAFileWithoutFlows() throws {
    try leave(header())
    var record = InstanceRecord(namespace: "boot/7", processID: 123, device: "guise7", firewallTable: nil)
    record.flowFile = "42-server-4567.flows"
    #expect(try !state().hasFlows(record))
    // A record may name files of this directory alone.
    record.flowFile = "../etc/42-server-4567.flows"
    try state().removeFlows(of: record)
    #expect(names == ["42-server-4567.flows"])
    record.flowFile = "42-server-4567.flows"
    try state().removeFlows(of: record)
    #expect(names.isEmpty)
  }
}
