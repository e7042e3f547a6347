import Foundation
import Glibc
import Logging
import Testing

@testable import Control

@Suite final class StateDirectoryTests {
  private let namespace = NetworkNamespace(inode: 42, identity: "boot/7")

  deinit { try? FileManager.default.removeItem(atPath: root) }

  /// Where the tests' directories are; theirs is the one of namespace 42.
  private let root = FileManager.default.temporaryDirectory.appending(path: "gc-state-\(UUID())").path()
  private var path: String { "\(root)/42" }

  private func directory() throws -> StateDirectory { try StateDirectory(root: root, namespace: namespace) }

  private func record(_ device: String, namespace: String = "boot/7") -> InstanceRecord {
    InstanceRecord(
      namespace: namespace, processID: 123, device: device, firewallTable: "guise_\(device)")
  }

  private func names() -> [String] { TextFile.names(in: path) }

  private let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
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

  /// The records of the dead, which are forgotten with that.
  private func reaped(_ state: StateDirectory) -> [InstanceRecord] {
    var seen: [InstanceRecord] = []
    // A child that another test is just starting holds the lock until it executes its program.
    _ = Patience.wait {
      state.reapDeadInstances {
        seen.append($0)
        return true
      }
      return !seen.isEmpty
    }
    return seen
  }

  @Test func aRecordReadsBackAsItWasWritten() throws {
    let state = try directory()
    do { _ = try state.claim(record("guise0")) }  // Given up without being removed, as a killed process does.
    #expect(reaped(state) == [record("guise0")])
    #expect(names().isEmpty)
  }

  /// Outlets are anybody's devices, and the kernel takes nearly any name.
  @Test func aRecordWithAnOutletOfAnyNameIsOfUse() throws {
    let state = try directory()
    var odd = record("guise0")
    odd.outlets = ["wan+1", "übung", "eth0@x"]
    #expect(odd.isPlausible)
    do { _ = try state.claim(odd) }
    #expect(reaped(state) == [odd])
    for name in ["", "a/b", "a b", ".", "..", "1234567890123456"] {
      odd.outlets = [name]
      #expect(!odd.isPlausible, "\(name)")
    }
  }

  /// The directory is an unprivileged user's, and root reads there.
  @Test func whatIsNoPlainFileIsNoRecord() throws {
    let state = try directory()
    unsafe mkfifo("\(path)/42-guise1.json", 0o600)
    unsafe symlink("/dev/zero", "\(path)/42-guise2.json")
    unsafe mkfifo("\(path)/42.shared.json", 0o600)
    for device in ["guise1", "guise2"] { #expect(state.record(of: device) == nil) }
    #expect(state.shared().isEmpty)
    #expect(state.liveInstances(besides: nil).isEmpty)
  }

  @Test func whoAsksWhetherAnInstanceLivesKeepsNobodyFromIt() throws {
    let state = try directory()
    let file = "\(path)/42-guise0.json"
    #expect(LockedFile.isHeldNow(file) == .failure(.refused(errno: ENOENT)))
    #expect(names().isEmpty)
    let claimed = try state.claim(record("guise0"))
    #expect(LockedFile.isHeldNow(file) == .success(true))
    #expect(state.liveInstances(besides: nil) == [record("guise0")])
    extendLifetime(claimed)
  }

  @Test func newContentsMayBeShorterOrLonger() throws {
    _ = try directory()
    let file = try LockedFile("\(path)/42.test")
    for text in ["one", "longer than that", "x", ""] {
      try file.replaceContents(Array(text.utf8))
      #expect(try file.contents() == Array(text.utf8))
    }
    file.remove()
  }

  @Test func flowsThatNobodyHasAreRemovedWhenAsked() throws {
    let state = try directory()
    var kept = record("guise0")
    kept.flowFile = "42-server-1.flows"
    do { _ = try state.claim(kept) }
    for name in ["42-server-1.flows", "42-server-2.flows", "42-server-3.flows", "7-server-2.flows", "42-x"] {
      #expect(FileManager.default.createFile(atPath: "\(path)/\(name)", contents: nil))
    }
    let held = try LockedFile("\(path)/42-server-3.flows")
    #expect(state.removeUnclaimedFlows() == ["42-server-2.flows"])
    #expect(
      names() == ["42-guise0.json", "42-server-1.flows", "42-server-3.flows", "42-x", "7-server-2.flows"])
    extendLifetime(held)
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

  @Test func anInstanceWhoseFlowsAnotherProcessGoesOnWithIsLeftToIt() throws {
    let state = try directory()
    var record = record("gcnone0")
    record.firewallTable = nil
    record.flowFile = "42-server-4567.flows"
    do { _ = try state.claim(record) }
    let flows = try LockedFile("\(path)/42-server-4567.flows")
    for end in [nil, "42-server-4568.flows"] {
      Leftovers.undo(state, Sysctl(), for: end, log)
      #expect(names().contains("42-gcnone0.json") && names().contains("42-server-4567.flows"))
    }
    flows.remove()
    _ = Patience.wait {
      Leftovers.undo(state, Sysctl(), log)
      return !names().contains("42-gcnone0.json")
    }
    #expect(!names().contains("42-gcnone0.json"))
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

    try StateDirectory(root: root, namespace: NetworkNamespace(inode: 42, identity: "boot/6"))
      .addShared([change])
    #expect(state.shared().isEmpty)
  }

  @Test func otherNamespacesFilesAreNotTouched() throws {
    let state = try directory()
    let other = try StateDirectory(root: root, namespace: NetworkNamespace(inode: 421, identity: "boot/8"))
    do { _ = try other.claim(record("guise0", namespace: "boot/8")) }
    state.reapDeadInstances { _ in true }
    #expect(TextFile.names(in: other.path) == ["421-guise0.json"])
  }

  /// The directory is an unprivileged user's, and root acts on what it finds there.
  @Test func recordsThatGuiseCannotHaveWrittenAreNotActedOn() throws {
    let state = try directory()
    for record in [
      InstanceRecord(namespace: "boot/7", processID: 1, device: "guise0", firewallTable: "filter"),
      InstanceRecord(
        namespace: "boot/7", processID: 1, device: "guise1", firewallTable: "guise_guise1; flush"),
      InstanceRecord(namespace: "boot/7", processID: 1, device: "a b", firewallTable: "guise_a b"),
    ] {
      do { _ = try state.claim(record) }
    }
    state.reapDeadInstances { _ in
      Issue.record("a forged record was used")
      return true
    }
    #expect(names().isEmpty)

    let known = ["net/ipv4/conf/eth0.5/forwarding", "net/ipv6/conf/default/accept_ra"].map {
      SysctlChange(name: $0, before: "1", after: "2")
    }
    let forged = [
      "kernel/core_pattern", "net/ipv4/conf/../../../kernel/sysrq", "net/ipv4/conf/../accept_ra",
      "net/ipv4/tcp_syncookies", "net/ipv4/ip_forward/", "",
    ].map { SysctlChange(name: $0, before: "0", after: "1") }
    let harmful = [SysctlChange(name: "net/ipv4/ip_forward", before: "|/bin/sh", after: "1")]
    try state.addShared(known + forged + harmful)
    #expect(state.shared() == known)
  }

  @Test func whatIsNoPlainFileIsNotOpened() throws {
    let state = try directory()
    let record = "\(path)/42-guise0.json"
    for prepare in [
      { (unsafe link($0, record)) }, { (unsafe symlink($0, record)) }, { _ in unsafe mkfifo(record, 0o600) },
    ] as [(String) -> Int32] {
      let target = "\(root)/target"
      try "mine".write(toFile: target, atomically: false, encoding: .utf8)
      #expect(prepare(target) == 0)
      #expect(throws: LockedFile.Failure.self) { _ = try state.claim(self.record("guise0")) }
      #expect(TextFile.text(target) == "mine")
      unsafe unlink(record)
      unsafe unlink(target)
    }
  }

  @Test(.enabled(if: geteuid() == 0)) func rootGivesTheDirectoryToWhomTheInstanceGoesOnAs() throws {
    let account = Account(name: "somebody", user: 12_345, group: 54_321)
    let owner = FileOwner(user: 12_345, group: 54_321)
    let state = try StateDirectory(root: root, namespace: namespace, account: account)
    #expect(
      FileOwner(ofDirectory: root)?.user == 0 && FileOwner(ofDirectory: path) == owner
        && state.belongs(to: account))
    let file = try state.claim(record("guise0"))
    try state.withLock {
      for name in names() {
        var status = stat()
        #expect(unsafe stat("\(path)/\(name)", &status) == 0)
        #expect(FileOwner(user: status.st_uid, group: status.st_gid) == owner, "\(name)")
      }
    }
    // Not as long as the first one's files are there.
    #expect(try !StateDirectory(root: root, namespace: namespace).belongs(to: nil))
    file.remove()
    unsafe unlink("\(path)/42.lock")
    #expect(try StateDirectory(root: root, namespace: namespace).belongs(to: nil))
  }

  @Test(.enabled(if: geteuid() == 0)) func whatAnotherUserLeftOfANamespaceThatIsGoneIsInNobodysWay() throws {
    let account = Account(name: "somebody", user: 12_345, group: 54_321)
    let gone = NetworkNamespace(inode: 42, identity: "boot/6")
    let before = try StateDirectory(root: root, namespace: gone, account: account)
    do { _ = try before.claim(record("guise0", namespace: gone.identity)) }
    try before.addShared([change])
    for name in ["42.lock", "42-server-4567.flows"] {
      try "".write(toFile: "\(path)/\(name)", atomically: false, encoding: .utf8)
    }
    #expect(try !StateDirectory(root: root, namespace: gone).belongs(to: nil))
    #expect(names().count == 4)
    #expect(Patience.wait { (try? directory().belongs(to: nil)) == true })
    #expect(names().isEmpty)
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

  @Test func aDirectoryThatAnotherHasJustRemovedIsNobodyElses() throws {
    let state = try directory()
    try FileManager.default.removeItem(atPath: path)
    #expect(state.belongs(to: nil))
  }

  @Test func theDirectoryGoesWhenNothingIsLeftInItAndComesAgain() throws {
    let state = try directory()
    try state.withLock {}
    #expect(!FileManager.default.fileExists(atPath: root))
    try state.withLock {
      let file = try! state.claim(record("guise0"))
      #expect(names() == ["42-guise0.json", "42.lock"])
      file.remove()
    }
    #expect(!FileManager.default.fileExists(atPath: root))
  }

  @Test func emptyDirectoriesOfOtherNamespacesGoAndOthersStay() throws {
    for name in ["7", "43", "44"] {
      try FileManager.default.createDirectory(atPath: "\(root)/\(name)", withIntermediateDirectories: true)
    }
    try "{}".write(toFile: "\(root)/43/43-guise0.json", atomically: false, encoding: .utf8)
    let state = try directory()
    #expect(TextFile.names(in: root) == ["42", "43"])
    try state.withLock {}
    #expect(TextFile.names(in: root) == ["43"])
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
    let root = "\(self.root)/sys"
    try FileManager.default.createDirectory(
      atPath: "\(root)/net/ipv4", withIntermediateDirectories: true)
    try "1".write(toFile: "\(root)/net/ipv4/ip_forward", atomically: false, encoding: .utf8)
    try state.addShared([change])
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
