internal import Glibc

@testable internal import Control

/// What a state directory holds when somebody has written into it: it is read, or forgotten, and the next
/// instance can claim its place.
enum RecordTarget {
  static func run(_ input: Input) {
    var input = input
    guard let state = try? StateDirectory(root: root, namespace: namespace) else {
      fail("cannot use \(root)")
    }
    let isShared = input.chance()
    let name = isShared ? "7.shared.json" : "7-guise0.json"
    overwrite("\(state.path)/\(name)", Array(input.rest()))
    check(!state.hasLiveInstance(besides: nil), "an instance that nobody holds is alive")
    check(state.liveInstances(besides: nil).isEmpty, "an instance that nobody holds is on record")
    for change in state.shared() { _ = change.name.count }
    state.reapDeadInstances { record in
      check(record.namespace == namespace.identity, "a record of another namespace is undone")
      return true
    }
    let record = InstanceRecord(
      namespace: namespace.identity, processID: 1, device: "guise0", firewallTable: nil)
    guard let claimed = try? state.claim(record) else { return check(false, "the place cannot be claimed") }
    check(state.liveInstances(besides: nil) == [record], "what is written cannot be read")
    claimed.remove()
    state.removeShared()
  }

  private static let namespace = NetworkNamespace(inode: 7, identity: "boot/7")

  /// In memory, and its own for each process.
  private static let root: String = {
    let path = "/dev/shm/guise-fuzz-\(getpid())"
    atexit { RecordTarget.removeFolder() }
    return path
  }()

  private static func removeFolder() {
    let folder = "\(root)/\(namespace.inode)"
    for name in TextFile.names(in: folder) { unsafe unlink("\(folder)/\(name)") }
    unsafe rmdir(folder)
    unsafe rmdir(root)
  }

  private static func overwrite(_ path: String, _ bytes: [UInt8]) {
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0, unsafe write(descriptor, bytes, bytes.count) == bytes.count else {
      fail("cannot write \(path)")
    }
    close(descriptor)
  }
}
