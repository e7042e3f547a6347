internal import DataPlane
internal import Glibc
internal import Logging

/// Where a gateway's flows are kept while it runs, and those of the process that was here before
/// (docs/decisions/0055-flow-file.md).
///
/// The file belongs to an end of guise, not to a process: its name says role and port. Who holds its lock is
/// the process that carries the flows.
struct FlowStore: ~Copyable {
  let path: String
  var name: String { path.split(separator: "/").last.map(String.init) ?? path }
  private let log: Logger
  /// Whom the file is given to.
  private let owner: FileOwner?
  /// The predecessor's file until ours is complete, then ours.
  private var lock: LockedFile?
  private var next: LockedFile?

  /// A process that carried these flows before, and may still.
  struct Predecessor: Sendable {
    let header: FlowFileHeader
    let isRunning: Bool
    /// Whether there are flows to go on with.
    let hasFlows: Bool

    /// Whether what is on record of its device is of it, and not of another process that has come to the name.
    func hasMade(_ record: InstanceRecord, in state: StateDirectory) -> Bool {
      record.processID == header.processID && (isRunning || !state.isAlive(record))
    }

    /// Whether its flows went through connection tracking; `record`: what is on record of it.
    func tracks(_ record: InstanceRecord?) -> Bool {
      hasFlows && (record?.isStateless ?? header.isStateless) == false
    }
  }
  private(set) var predecessor: Predecessor?
  /// Whether this process's flows are in the file.
  private(set) var isKept = false

  static let handOverSecondsMax = 5

  /// nil when flows are not kept: because nobody wants it, or because it cannot be, which is logged. Throws where the
  /// file that is asked for is somebody else's, or has no place, and where a process cannot be taken over from.
  static func open(
    _ configuration: GatewayConfiguration, _ state: StateDirectory?, _ log: Logger
  ) throws(SetupError) -> FlowStore? {
    let path: String
    var owner: FileOwner?
    switch configuration.flowFile {
    case .off:
      // What a crash has left there will not be true any more.
      if let state, let lock = try? LockedFile(state.flowFile(of: configuration.listen), mustExist: true) {
        lock.remove()
      }
      return nil
    case .path(let chosen):
      path = chosen
      try checkPlace(chosen)
    case .standard:
      guard let state else { return nil }
      path = state.flowFile(of: configuration.listen)
      owner = state.owner
    }
    var store = FlowStore(path: path, owner: owner, log: log)
    guard let isRunning = store.lockPredecessor() else { return store }
    // What an ended process could not remove is empty.
    if !isRunning, store.lock?.isEmpty == true { return store }
    let namespace = (state?.namespace ?? .current()).identity
    store.predecessor = store.header(configuration, namespace).map {
      Predecessor(
        header: $0, isRunning: isRunning, hasFlows: isRunning || hasLivingFlows(path, namespace))
    }
    if configuration.takesOver, isRunning, store.predecessor == nil {
      throw .takeOverImpossible(
        process: LockedFile.holders(path).first ?? 0,
        reason: "its flow file \(path) is of no use to this version")
    }
    if configuration.takesOver, !isRunning {
      log.notice("no process has this end: '--takeover' starts like any other")
    }
    guard isRunning, !configuration.takesOver else { return store }
    let process = store.predecessor.map { "process \($0.header.processID)" } ?? "another process"
    log.warning(
      "\(process) has this end already ('--takeover' replaces it): going on beside it, and without a flow file"
    )
    return nil
  }

  private init(path: String, owner: FileOwner?, log: Logger) {
    self.path = path
    self.owner = owner
    self.log = log
  }

  /// Takes the lock of a dead predecessor's file. Whether it is alive; nil when there is no file.
  private mutating func lockPredecessor() -> Bool? {
    do throws(LockedFile.Failure) {
      lock = try LockedFile(path, mustExist: true)
      return false
    } catch .heldByAnother {
      return true
    } catch {
      if error != .refused(errno: ENOENT) { log.warning("cannot open the flow file \(path): \(error.text)") }
      return nil
    }
  }

  /// Whose file lies at the path; what is of no use is logged.
  private borrowing func header(_ configuration: GatewayConfiguration, _ namespace: String) -> FlowFileHeader?
  {
    do throws(FlowFileRefusal) {
      let header = try Self.read(path) { descriptor throws(FlowFileRefusal) in
        try FlowFileContents.header(descriptor: descriptor)
      }
      // Monotonic clocks, and what they tell of flows, do not outlive a boot.
      guard header.namespace == namespace else {
        log.notice(
          "the flow file \(path) is from before this boot, or of another network namespace: starting afresh")
        return nil
      }
      // The file may be an unprivileged user's, and root acts on what it says.
      guard header.role == configuration.role, GatewayConfiguration.isDeviceName(header.device),
        !header.device.contains("%"), GatewayConfiguration.mtuRange.contains(header.mtu)
      else {
        throw .damaged
      }
      return header
    } catch {
      log.warning("the flow file \(path) is of no use, since \(error): starting afresh")
      return nil
    }
  }

  /// Whether something lies there that guise has not made. What a crash of the host has left of a file of its own may be
  /// empty, or begin with zeros.
  private static func isForeign(_ path: String) -> Bool {
    do throws(FlowFileRefusal) {
      return try read(path) { descriptor throws(FlowFileRefusal) in
        try FlowFileContents.isForeign(descriptor: descriptor)
      }
    } catch {
      // A link or a folder, say; and who may not even read it is refused later, when it is made.
      return error != .unreadable(errno: ENOENT) && error != .unreadable(errno: EACCES)
    }
  }

  /// Throws where the file that is asked for is somebody else's, or has no place.
  static func checkPlace(_ path: String) throws(SetupError) {
    for file in [path, unfinished(path)] where isForeign(file) { throw .flowFileForeign(path: file) }
    try checkFolder(of: path)
  }

  /// Whoever names a place relies on it: better to start nowhere than where flows are lost.
  private static func checkFolder(of path: String) throws(SetupError) {
    let folder = path.lastIndex(of: "/").map { path[...$0] } ?? "."
    guard unsafe access(String(folder), W_OK | X_OK) == 0 else {
      throw .flowFileImpossible(path: path, errno: errno)
    }
  }

  private static func read<Result>(
    _ path: String, _ body: (Int32) throws(FlowFileRefusal) -> Result
  ) throws(FlowFileRefusal) -> Result {
    let descriptor = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
    guard descriptor >= 0 else { throw .unreadable(errno: errno) }
    defer { close(descriptor) }
    return try body(descriptor)
  }

  /// Whether somebody may still want to go on with what a dead process has left there.
  static func hasLivingFlows(_ path: String, _ namespace: String) -> Bool {
    let contents = try? read(path) { descriptor throws(FlowFileRefusal) in
      try FlowFileContents(descriptor: descriptor)
    }
    guard let contents, contents.header.namespace == namespace else { return false }
    return contents.hasLivingFlows
  }

  /// A file that is not complete yet.
  static func unfinished(_ path: String) -> String { "\(path).new" }

  // MARK: - The predecessor

  /// Has a running predecessor end and leave its flows; returns once it has let go of them.
  mutating func takeOver() throws(SetupError) {
    guard let predecessor, predecessor.isRunning else { return }
    let process = predecessor.header.processID
    // Not whoever else the number may be of by now, or the file's owner may have written there.
    guard LockedFile.isHeld(path, by: process) else {
      throw .takeOverImpossible(process: process, reason: "it does not hold \(path)")
    }
    guard kill(process, SIGUSR2) == 0 else {
      throw .takeOverImpossible(
        process: process, reason: "it cannot be signalled (\(KernelError.reason(errno)))")
    }
    let isFree = try Patience.wait(milliseconds: Self.handOverSecondsMax * 1_000, step: 1) {
      () throws(SetupError) in
      do throws(LockedFile.Failure) {
        lock = try LockedFile(path, mustExist: true)
        return true
      } catch .heldByAnother {
        return false
      } catch {
        throw .takeOverImpossible(process: process, reason: "its flow file is gone (\(error.text))")
      }
    }
    guard isFree else { throw .takeOverTimedOut(process: process, seconds: Self.handOverSecondsMax) }
  }

  /// The predecessor's flows; none where there was none or its file is damaged.
  borrowing func flows() -> [FlowRecord] {
    guard let predecessor else { return [] }
    do throws(FlowFileRefusal) {
      let contents = try Self.read(path) { descriptor throws(FlowFileRefusal) in
        try FlowFileContents(descriptor: descriptor)
      }
      let lost = contents.unfinished + contents.missing
      log.notice(
        """
        going on with \(contents.flows.count) flows of process \(predecessor.header.processID)\
        \(lost == 0 ? "" : "; \(lost) more were not complete")
        """)
      return contents.flows
    } catch {
      log.warning("the flow file \(path) is of no use, since \(error): starting afresh")
      return []
    }
  }

  // MARK: - Ours

  /// A new file beside the predecessor's, which stays until `commit`; nil where there is no room for one.
  mutating func make(_ header: FlowFileHeader, workerCount: Int, flowsPerWorker: Int) -> FlowFile? {
    do throws(LockedFile.Failure) {
      let file = try LockedFile(Self.unfinished(path), owner: owner)
      file.empty()
      let descriptor = try file.reopen()
      do throws(KernelError) {
        let flows = try FlowFile(
          descriptor: descriptor, header, workerCount: workerCount, flowsPerWorker: flowsPerWorker)
        next = consume file
        return flows
      } catch {
        file.remove()
        throw .refused(errno: error.errno)
      }
    } catch {
      log.warning(
        """
        cannot keep flows in \(path) (\(error.text)): if this process is killed, they begin anew; make room there, \
        or choose another place with '--flow-file'
        """)
      return nil
    }
  }

  /// All flows are in our file: it takes the predecessor's place.
  mutating func commit() {
    guard var file = next.take() else { return discard() }
    do throws(LockedFile.Failure) {
      try file.rename(to: path)
      lock = consume file
      isKept = true
    } catch {
      log.warning("cannot rename the flow file \(file.path): \(error.text)")
      file.remove()
    }
  }

  /// Nobody shall go on with what is there.
  mutating func discard() {
    abandon()
    lock.take()?.remove()
  }

  /// Ours will not be; the predecessor's is left to whoever tries next.
  mutating func abandon() { next.take()?.remove() }

  /// Another process may have the flows from now on.
  mutating func letGo() { lock = nil }
}

extension LockedFile.Failure {
  var text: String {
    switch self {
    case .heldByAnother: "another process has it"
    case .refused(let errno): KernelError.reason(errno)
    }
  }
}
