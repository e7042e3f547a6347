import Foundation
import Logging
import Testing

@testable import Control

@Suite final class StateDirectoryTests {
  private let path = FileManager.default.temporaryDirectory.appending(path: "gc-state-\(UUID())").path()
  private let namespace = NetworkNamespace(inode: 42, identity: "boot/7")

  deinit { try? FileManager.default.removeItem(atPath: path) }

  private func directory() throws -> StateDirectory { try StateDirectory(path: path, namespace: namespace) }

  private func record(_ device: String, namespace: String = "boot/7") -> InstanceRecord {
    InstanceRecord(
      namespace: namespace, processID: 123, device: device, firewallTable: "guise_\(device)")
  }

  private func names() -> [String] { TextFile.names(in: path) }

  private let change = SysctlChange(name: "net/ipv4/ip_forward", before: "0", after: "1")

  @Test func theDirectoryIsForAllToReadAndItsFilesAreNot() throws {
    let state = try directory()
    let file = try state.claim(record("guise0"))
    defer { extendLifetime(file) }
    let mode = { (path: String) in
      try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    }
    #expect(try mode(path) == 0o755)
    #expect(try mode("\(path)/42-guise0.json") == 0o600)
  }

  @Test func aRecordReadsBackAsItWasWritten() throws {
    let state = try directory()
    do { _ = try state.claim(record("guise0")) }  // Given up without being removed, as a killed process does.
    var seen: [InstanceRecord] = []
    // A child that another test is just starting holds the lock until it executes its program.
    _ = Patience.wait {
      state.reapDeadInstances {
        seen.append($0)
        return true
      }
      return !seen.isEmpty
    }
    #expect(seen == [record("guise0")])
    #expect(names().isEmpty)
  }

  @Test func aLiveInstanceIsNotReaped() throws {
    let state = try directory()
    let file = try state.claim(record("guise0"))
    state.reapDeadInstances { _ in
      Issue.record("a live instance was taken for dead")
      return true
    }
    #expect(state.hasLiveInstance(besides: nil))
    #expect(!state.hasLiveInstance(besides: "guise0"))
    #expect(names() == ["42-guise0.json"])
    file.remove()
    #expect(names().isEmpty)
    #expect(!state.hasLiveInstance(besides: nil))
  }

  @Test func anInstanceThatCouldNotBeUndoneStaysOnRecord() throws {
    let state = try directory()
    do { _ = try state.claim(record("guise0")) }
    state.reapDeadInstances { _ in false }
    #expect(names() == ["42-guise0.json"])
  }

  @Test func recordsOfAnEarlierNamespaceWithTheSameNumberAreForgottenUnused() throws {
    let state = try directory()
    do { _ = try state.claim(record("guise0", namespace: "boot/6")) }
    try "rubbish".write(toFile: "\(path)/42-guise1.json", atomically: false, encoding: .utf8)
    state.reapDeadInstances { _ in
      Issue.record("somebody else's record was used")
      return true
    }
    #expect(names().isEmpty)

    try StateDirectory(path: path, namespace: NetworkNamespace(inode: 42, identity: "boot/6"))
      .addShared([change])
    #expect(state.shared().isEmpty)
  }

  @Test func otherNamespacesFilesAreNotTouched() throws {
    let state = try directory()
    let other = try StateDirectory(path: path, namespace: NetworkNamespace(inode: 421, identity: "boot/8"))
    do { _ = try other.claim(record("guise0", namespace: "boot/8")) }
    state.reapDeadInstances { _ in true }
    #expect(names() == ["421-guise0.json"])
  }

  @Test func theFirstRecordOfASharedChangeStays() throws {
    let state = try directory()
    try state.addShared([change])
    let second = SysctlChange(name: "net/ipv6/conf/all/forwarding", before: "0", after: "1")
    try state.addShared([SysctlChange(name: change.name, before: "1", after: "1"), second])
    #expect(state.shared() == [change, second])
    state.removeShared()
    #expect(state.shared().isEmpty)
  }

  @Test func theLockKeepsOthersOut() throws {
    let state = try directory()
    try state.withLock {
      #expect(throws: SetupError.setupBusy(path: "\(path)/42.lock")) { try state.withLock(secondsMax: 0) {} }
      #expect(names() == ["42.lock"])
    }
    #expect(names().isEmpty)
  }

  @Test func theLockStaysWhereThereIsSomethingOnRecord() throws {
    let state = try directory()
    try state.withLock { try! state.addShared([change]) }
    #expect(names() == ["42.lock", "42.shared.json"])
    try state.withLock { state.removeShared() }
    #expect(names().isEmpty)
  }

  @Test func aFileThatWasRemovedWhileOneWaitedForItsLockIsNotTaken() throws {
    let state = try directory()
    let first = try state.claim(record("guise0"))
    let path = first.path
    #expect(throws: LockedFile.Failure.heldByAnother) { _ = try LockedFile(path) }
    first.remove()
    let second = try LockedFile(path)
    #expect(throws: LockedFile.Failure.heldByAnother) { _ = try LockedFile(path) }
    second.remove()
  }

  @Test func theLastInstancePutsSharedChangesBack() throws {
    let state = try directory()
    let root = "\(path)/sys"
    try FileManager.default.createDirectory(
      atPath: "\(root)/net/ipv4", withIntermediateDirectories: true)
    try "1".write(toFile: "\(root)/net/ipv4/ip_forward", atomically: false, encoding: .utf8)
    try state.addShared([change])
    let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let sysctl = Sysctl(root: root)

    let first = try state.claim(record("guise0"))
    let second = try state.claim(record("guise1"))
    Leftovers.putBackShared(state, sysctl, besides: "guise0", log)
    #expect(sysctl.read("net/ipv4/ip_forward") == "1")
    first.remove()
    Leftovers.putBackShared(state, sysctl, besides: "guise1", log)
    #expect(sysctl.read("net/ipv4/ip_forward") == "0")
    #expect(state.shared().isEmpty)
    second.remove()
  }

  @Test func thisProcesssNamespaceHasANumberAndACookie() {
    let namespace = NetworkNamespace.current()
    #expect(namespace.inode != 0)
    #expect(namespace == .current())
    #expect(!namespace.identity.contains("?"))
  }
}
