internal import DataPlane
internal import Glibc
internal import Logging

/// Writes flow events to the log, at most `linesPerSecond`, and then how many there were besides.
struct FlowEventLog {
  static let linesPerSecond = 20
  /// How long nothing is said of a lack of room after it was said.
  static let fullnessInterval = Duration.seconds(10)

  private let write: (Logger.Level, String) -> Void
  private let role: Role
  private let start: ContinuousClock.Instant
  private var bucket: TokenBucket
  private var suppressed = 0
  private var summaryDue: ContinuousClock.Instant
  private var fullnessDue: ContinuousClock.Instant

  init(_ role: Role, now: ContinuousClock.Instant, write: @escaping (Logger.Level, String) -> Void) {
    self.role = role
    self.write = write
    start = now
    bucket = TokenBucket(perSecond: Self.linesPerSecond, now: 0)
    summaryDue = now
    fullnessDue = now
  }

  mutating func record(_ event: FlowEvent, now: ContinuousClock.Instant) {
    if Self.tellsOfFullness(event.kind) {
      guard now >= fullnessDue else { return }
      fullnessDue = now + Self.fullnessInterval
      // Whatever else there is to tell: flows that just opened must not hide this.
      return write(Self.level(event.kind), Self.text(event, role))
    }
    // A change of server is told whatever else there is, too: it is one event of a worker.
    let elapsed = UInt64(max((now - start) / .nanoseconds(1), 0))
    guard event.kind == .serverChanged || bucket.take(elapsed) else {
      if suppressed == 0 { summaryDue = now + .seconds(1) }
      suppressed += 1
      return
    }
    write(Self.level(event.kind), Self.text(event, role))
  }

  /// Tells how many events were passed over, once a second at most. To be called now and then.
  mutating func summarize(now: ContinuousClock.Instant) {
    guard suppressed > 0, now >= summaryDue else { return }
    write(.info, "… and \(suppressed) more flow events")
    suppressed = 0
  }

  private static func tellsOfFullness(_ kind: FlowEvent.Kind) -> Bool {
    switch kind {
    case .portSpaceFull, .flowTableFull, .sourceFlowsFull, .newFlowRate, .socketUnavailable: true
    default: false
    }
  }

  private static func level(_ kind: FlowEvent.Kind) -> Logger.Level {
    switch kind {
    case .opened, .closedIdle, .closedByPeer, .closedOnRequest: .info
    case .pathLimitLowered, .resumed, .reopened, .serverChanged, .closedForRoom: .notice
    case .suspended, .closedUnanswered, .closedRefused, .datagramTooLarge: .warning
    case .resumedElsewhere, .flowFileFull, .segmentsRefused, .datagramsRefused: .warning
    case .portSpaceFull, .flowTableFull, .sourceFlowsFull, .newFlowRate, .socketUnavailable: .warning
    }
  }

  static func text(_ event: FlowEvent, _ role: Role) -> String {
    // In the direction in which the flow was opened.
    let path =
      switch role {
      case .client: "UDP \(event.peer) -> port \(event.localPort) -> TCP \(event.remote)"
      case .server: "TCP \(event.remote) -> port \(event.localPort) -> UDP \(event.peer)"
      }
    return switch event.kind {
    case .opened: "flow opened: \(path) (worker \(event.worker))"
    case .closedIdle: "flow closed after silence: \(path)"
    case .closedByPeer: "flow closed by the other end: \(path)"
    case .closedOnRequest: "flow closed as asked: \(path)"
    case .closedUnanswered: "flow given up, no answer: \(path)"
    case .closedRefused: "flow given up, refused: \(path)"
    case .suspended:
      "flow silent for \(event.detail) ms, trying another port: \(path)"
    case .resumed: "flow answered again: \(path)"
    case .reopened: "flow reopened, before from port \(event.detail): \(path) (worker \(event.worker))"
    case .serverChanged:
      "flows go to \(event.remote) from now on, number \(event.detail) of \(event.limit) servers "
        + "(worker \(event.worker))"
    case .closedForRoom: "flow closed to make room, after \(event.detail) s of silence: \(path)"
    case .datagramTooLarge:
      "a datagram of \(event.detail) bytes was dropped, where at most \(event.limit) fit (\(path)): lower the MTU "
        + "of what sends it (for WireGuard to \(WireGuard.mtu(for: event.limit)))"
    case .pathLimitLowered:
      "the path to \(event.remote.address) takes packets of \(event.detail) bytes: the largest datagram that fits "
        + "is now \(event.limit) (\(path)); for WireGuard, set an MTU of \(WireGuard.mtu(for: event.limit))"
    case .portSpaceFull:
      "all \(event.limit) TCP source ports of worker \(event.worker) are in use, and \(event.peer) got none: flows "
        + "are refused (port-space-full) until others end. A shorter '--idle-timeout' ends silent ones sooner; "
        + "programs that keep their port need fewer; another client for another port of the server has ports "
        + "of its own"
    case .flowTableFull:
      "all \(event.limit) flows that there is room for are in use (worker \(event.worker)), and \(path) is refused "
        + "(flow-table-full) until others end: raise '--max-flows'"
        + (role == .server ? ", or 'LimitNOFILE=' in systemd or 'ulimit -Hn'" : "")
        + ", shorten '--idle-timeout', or see who opens so many"
    case .sourceFlowsFull:
      "\(event.remote.address) has \(event.limit) flows, and \(path) is refused (source-flows-full) until others of "
        + "it end: raise '--max-flows-per-source' where many clients share an address, or see who opens so many"
    case .newFlowRate:
      "more than \(event.limit) new flows a second come to worker \(event.worker), and \(path) is refused for now "
        + "(new-flow-rate): raise '--max-new-flows', or see who opens so many"
    case .resumedElsewhere:
      "flow resumed from another UDP port, which the service takes for another sender: \(path) "
        + "(\(KernelError.reason(Int32(event.detail))))"
    case .flowFileFull:
      "the flow file cannot grow (\(KernelError.reason(Int32(event.detail)))): worker "
        + "\(event.worker)'s flows beyond the first \(event.limit) are lost if this process is killed; make room "
        + "there, or choose another place with '--flow-file'"
    case .segmentsRefused, .datagramsRefused:
      "the kernel cuts no trains of \(event.kind == .segmentsRefused ? "segments" : "datagrams") "
        + "(\(KernelError.reason(Int32(event.detail)))): worker \(event.worker) hands them over one by one from now on, "
        + "which costs CPU and loses nothing"
    case .socketUnavailable:
      "no UDP socket for \(path): such flows are refused (socket-unavailable) until "
        + socketRemedy(errno: Int32(event.detail))
    }
  }

  private static func socketRemedy(errno: Int32) -> String {
    switch errno {
    case EAGAIN:
      "others end, since no UDP port is left: widen net.ipv4.ip_local_port_range, give more addresses with "
        + "'--source', or shorten '--idle-timeout'"
    case EMFILE, ENFILE:
      "others end, since no descriptor is left: raise 'LimitNOFILE=' in systemd, 'ulimit -Hn', or fs.file-max"
    default: "the kernel takes one again (\(KernelError.reason(errno)))"
    }
  }
}
