internal import DataPlane
internal import FoundationEssentials
internal import Glibc
internal import Logging

/// `/run/guise/INODE`: what the instances of this network namespace changed on the host.
///
/// `INODE-DEVICE.json` is an instance's (`InstanceRecord`), `INODE-END.flows` has the flows of an end
/// (`FlowStore`), `INODE-DEVICE.sock` is where an instance answers questions, `INODE.shared.json` is of all of them
/// (`SharedRecord`), and `INODE.lock` is held by whoever changes the host or puts it back. The directory is that of
/// the user whom the instances go on as; the one above it stays root's. Either goes when it is empty, with the first
/// to look who may remove it: a user's own directory with the next start of root's, in whichever namespace.
struct StateDirectory: Sendable {
  static let standardPath = "/run/guise"

  let path: String
  let namespace: NetworkNamespace
  private let root: String
  private let account: Account?

  /// Makes the directory (mode 0755) when there is none.
  ///
  /// Root gives it to `account`, or keeps it: that user will have to remove what the instance has in it. One that
  /// is another user's already goes over when nothing of this namespace's is in it.
  init(
    root: String = standardPath, namespace: NetworkNamespace, account: Account? = nil
  ) throws(LockedFile.Failure) {
    path = "\(root)/\(namespace.inode)"
    self.namespace = namespace
    self.root = root
    self.account = account
    try make()
    // Those of other namespaces, most of which are gone. A process that is about to use one makes it again.
    for name in TextFile.names(in: root) {
      if let inode = UInt64(name), inode != namespace.inode { unsafe rmdir("\(root)/\(name)") }
    }
  }

  /// That of this process's namespace, for instances that go on as `account`; nil where it cannot be had. What falls short
  /// is logged.
  static func open(for account: Account?, _ log: Logger) -> StateDirectory? {
    do throws(LockedFile.Failure) {
      let state = try StateDirectory(namespace: .current(), account: account)
      if !state.belongs(to: account) {
        log.warning(
          """
          \(state.path) is another user's than the one that this gateway goes on as ('--user'): its record there \
          stays until the next start or 'guise cleanup'
          """)
      }
      return state
    } catch {
      log.warning(
        "cannot write \(StateDirectory.standardPath): if this process is killed, nobody will clean up after it"
      )
      return nil
    }
  }

  private func make() throws(LockedFile.Failure) {
    for path in [root, path] {
      guard unsafe mkdir(path, 0o755) == 0 || errno == EEXIST else { throw .refused(errno: errno) }
    }
    guard unsafe access(path, W_OK) == 0 else { throw .refused(errno: errno) }
    guard FileOwner(ofDirectory: path) != nil else { throw .refused(errno: ENOTDIR) }
    forgetGoneNamespace()
    if geteuid() == Account.root, TextFile.names(in: path).isEmpty {
      unsafe lchown(path, account?.user ?? geteuid(), account?.group ?? getegid())
    }
  }

  /// Removes all files where all records are of a namespace that had this inode number before and is gone: they are
  /// of no use to anybody, and may be another user's.
  private func forgetGoneNamespace() {
    guard hasRecords, let lock = try? LockedFile(lockPath, owner: owner) else { return }
    defer { extendLifetime(lock) }
    let names = TextFile.names(in: path)
    for name in names where name.hasSuffix(".json") {
      guard let bytes = try? TextFile.readOwn("\(path)/\(name)"),
        Self.decode(NamespaceRecord.self, bytes)?.namespace != namespace.identity
      else { return }
    }
    for name in names { unsafe unlink("\(path)/\(name)") }
  }

  /// Whom new files are given to; nil where this process is that user.
  var owner: FileOwner? { geteuid() == Account.root ? FileOwner(ofDirectory: path) : nil }

  /// Whether this user, or the one that the process becomes, can remove what lies here.
  func belongs(to account: Account?) -> Bool {
    // Another's start may just have removed it, as it was empty: who uses it makes it again, as their own.
    guard let owner = FileOwner(ofDirectory: path) else { return true }
    return owner.user == account?.user ?? geteuid()
  }

  /// Runs `body` while no other instance sets up or cleans up; waits for that, up to `secondsMax`.
  ///
  /// The lock's file goes when nothing else is on record, and then the directory, where this user may remove it.
  func withLock<Result: ~Copyable>(
    secondsMax: Int = 30, _ body: () throws(SetupError) -> Result
  ) throws(SetupError) -> Result {
    let lock = try takeLock(secondsMax)
    defer {
      if !hasRecords {
        unsafe unlink(lockPath)
        unsafe rmdir(path)
        unsafe rmdir(root)
      }
      extendLifetime(lock)
    }
    return try body()
  }

  /// nil where it cannot be taken at all: better to go on without than not at all.
  private func takeLock(_ secondsMax: Int) throws(SetupError) -> LockedFile? {
    for attempt in 0..<max(1, secondsMax * 20) {
      do throws(LockedFile.Failure) {
        return try LockedFile(lockPath, owner: owner)
      } catch {
        // Somebody has removed the directory, which was empty.
        let isGone = error == .refused(errno: ENOENT) && attempt < 10
        if isGone, (try? make()) != nil { continue }
        // Root makes the file first and then gives it away.
        let isYoung = error == .refused(errno: EACCES) && attempt < 10
        guard error == .heldByAnother || isYoung else { return nil }
        usleep(50_000)
      }
    }
    throw .setupBusy(path: lockPath)
  }

  private var lockPath: String { "\(path)/\(namespace.inode).lock" }

  private var hasRecords: Bool { unsafe access(sharedPath, F_OK) == 0 || !instanceFiles().isEmpty }

  // MARK: - Instances

  /// Takes the instance's file and fills it in.
  func claim(_ record: InstanceRecord) throws(LockedFile.Failure) -> LockedFile {
    let file = try claimFile(of: record.device)
    try file.replaceContents(Self.encode(record))
    return file
  }

  /// Others hold a file for as long as it takes to see whose it is, which is longer on a busy host.
  private func claimFile(of device: String) throws(LockedFile.Failure) -> LockedFile {
    for _ in 0..<500 {
      do throws(LockedFile.Failure) {
        return try LockedFile("\(path)/\(instancePrefix)\(device).json", owner: owner)
      } catch {
        guard error == .heldByAnother else { throw error }
        usleep(10_000)
      }
    }
    throw .heldByAnother
  }

  /// Whether another instance of this namespace is alive. Records of dead ones do not count.
  func hasLiveInstance(besides own: String?) -> Bool { !liveInstanceFiles(besides: own).isEmpty }

  /// The records of other instances of this namespace that are alive, as far as they can be read.
  func liveInstances(besides own: String?) -> [InstanceRecord] {
    liveInstanceFiles(besides: own).compactMap(record(in:))
  }

  /// Whether the instance of the device that it is about lives.
  func isAlive(_ record: InstanceRecord) -> Bool {
    liveInstances(besides: nil).contains { $0.device == record.device }
  }

  /// What is on record of a device's instance, dead or alive.
  func record(of device: String) -> InstanceRecord? { record(in: "\(instancePrefix)\(device).json") }

  private func record(in name: String) -> InstanceRecord? {
    (try? TextFile.readOwn("\(path)/\(name)")).flatMap { Self.decode(InstanceRecord.self, $0) }
  }

  /// The devices of all instances on record, dead or alive.
  var devices: [String] {
    instanceFiles().map { String($0.dropFirst(instancePrefix.count).dropLast(".json".count)) }
  }

  private func liveInstanceFiles(besides own: String?) -> [String] {
    instanceFiles().filter { name in
      guard name != own.map({ "\(instancePrefix)\($0).json" }) else { return false }
      // Of one that belongs to somebody else nobody can tell.
      let isHeld = LockedFile.isHeldNow("\(path)/\(name)")
      return isHeld == .success(true) || isHeld == .failure(.refused(errno: EACCES))
    }
  }

  /// Calls `undo` with every record whose instance is dead, and forgets those for which it gives true.
  /// Unreadable records, and those of a namespace that is gone, are forgotten at once.
  func reapDeadInstances(_ undo: (InstanceRecord) -> Bool) {
    for name in instanceFiles() {
      guard let file = try? LockedFile("\(path)/\(name)") else { continue }
      let record = (try? file.contents()).flatMap { Self.decode(InstanceRecord.self, $0) }
      guard let record, record.namespace == namespace.identity, record.isPlausible else {
        unsafe unlink(controlSocket(ofRecord: name))
        file.remove()
        continue
      }
      if undo(record) {
        unsafe unlink(controlSocket(ofRecord: name))
        file.remove()
      }
    }
  }

  /// Where the instance of a device answers questions.
  func controlSocket(of device: String) -> String {
    controlSocket(ofRecord: "\(instancePrefix)\(device).json")
  }

  private func controlSocket(ofRecord name: String) -> String {
    "\(path)/\(name.dropLast(".json".count)).sock"
  }

  /// The records of instances that live, or that were killed, in a directory that need not be there. Changes nothing,
  /// and locks nothing.
  static func instances(
    _ folder: String, _ namespace: NetworkNamespace, areAlive: Bool
  ) -> [InstanceRecord] {
    instanceFiles(folder, namespace).compactMap { name in
      let path = "\(folder)/\(name)"
      guard let record = (try? TextFile.readOwn(path)).flatMap({ decode(InstanceRecord.self, $0) }),
        record.namespace == namespace.identity, record.isPlausible,
        LockedFile.isHeld(path) == areAlive
      else { return nil }
      return record
    }
  }

  private var instancePrefix: String { Self.instancePrefix(namespace) }
  private static func instancePrefix(_ namespace: NetworkNamespace) -> String { "\(namespace.inode)-" }

  private func instanceFiles() -> [String] { Self.instanceFiles(path, namespace) }

  private static func instanceFiles(_ folder: String, _ namespace: NetworkNamespace) -> [String] {
    let prefix = instancePrefix(namespace)
    return TextFile.names(in: folder).filter { $0.hasPrefix(prefix) && $0.hasSuffix(".json") }
  }

  /// Where the flows of an end are kept: the same end finds them again.
  func flowFile(of listen: GatewayConfiguration.Listen) -> String { "\(path)/\(flowFileName(of: listen))" }

  func flowFileName(of listen: GatewayConfiguration.Listen) -> String {
    "\(instancePrefix)\(Self.flowFileEnd(of: listen))"
  }

  /// What its name ends with in any namespace.
  static func flowFileEnd(of listen: GatewayConfiguration.Listen) -> String {
    let end =
      switch listen {
      case .udp(let local): "client-\(local)"
      case .tcp(nil, let port): "server-\(port)"
      case .tcp(let address?, let port): "server-\(Endpoint(address, port: port))"
      }
    return "\(end.replacing("/", with: "_")).flows"
  }

  static func isFlowFileName(_ name: String) -> Bool { name.hasSuffix(".flows") && !name.contains("/") }

  /// Whether a dead instance has left flows that have not been silent for too long.
  func hasFlows(_ record: InstanceRecord) -> Bool {
    guard let file = flowFile(of: record) else { return false }
    return FlowStore.hasLivingFlows(file, namespace.identity)
  }

  /// Whether another process is going on with the flows of a dead instance, whose record it has yet to claim.
  func isBeingTakenOver(_ record: InstanceRecord) -> Bool {
    guard let file = flowFile(of: record) else { return false }
    return LockedFile.isHeldNow(file) == .success(true)
  }

  func removeFlows(of record: InstanceRecord) {
    guard let file = flowFile(of: record) else { return }
    unsafe unlink(file)
    unsafe unlink(FlowStore.unfinished(file))
  }

  /// Removes flows that no process has and no record is about, as when a device was removed under its gateway; gives
  /// the files' names.
  func removeUnclaimedFlows() -> [String] {
    let claimed = Set(instanceFiles().compactMap { record(in: $0)?.flowFile })
    return TextFile.names(in: path).filter { name in
      let end = name.hasSuffix(".new") ? String(name.dropLast(".new".count)) : name
      guard name.hasPrefix(instancePrefix), Self.isFlowFileName(end), !claimed.contains(end),
        let file = try? LockedFile("\(path)/\(name)", mustExist: true)
      else { return false }
      file.remove()
      return true
    }
  }

  private func flowFile(of record: InstanceRecord) -> String? {
    guard let name = record.flowFile, name.hasPrefix(instancePrefix), Self.isFlowFileName(name) else {
      return nil
    }
    return "\(path)/\(name)"
  }

  // MARK: - Changes that instances share

  /// Adds changes behind those that are recorded; what was changed first decides what is put back.
  func addShared(_ changes: [SysctlChange]) throws(LockedFile.Failure) {
    let known = shared()
    let names = Set(known.map(\.name))
    let record = SharedRecord(
      namespace: namespace.identity, sysctls: known + changes.filter { !names.contains($0.name) })
    try LockedFile(sharedPath, owner: owner).replaceContents(Self.encode(record))
  }

  /// The changes on record; empty when there are none or the namespace that they were made in is gone.
  func shared() -> [SysctlChange] {
    guard let bytes = try? TextFile.readOwn(sharedPath), let record = Self.decode(SharedRecord.self, bytes),
      record.namespace == namespace.identity
    else { return [] }
    return record.sysctls.filter(\.isPlausible)
  }

  func removeShared() { unsafe unlink(sharedPath) }

  private var sharedPath: String { "\(path)/\(namespace.inode).shared.json" }

  // MARK: - JSON

  static func encode(_ record: some Encodable) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    guard let data = try? encoder.encode(record) else { preconditionFailure("records are plain values") }
    return Array(data) + [UInt8(ascii: "\n")]
  }

  private static func decode<Record: Decodable>(_ type: Record.Type, _ bytes: [UInt8]) -> Record? {
    try? JSONDecoder().decode(type, from: Data(bytes))
  }
}
