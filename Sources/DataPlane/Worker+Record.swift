internal import CLiburing
internal import Glibc

/// How flows outlive the process: what a flow file is told of them, and how the next worker goes on.
extension Worker where E: ~Copyable {
  /// Goes on with those flows that are this worker's, the longest silent first, as the order of idleness wants
  /// them. Before the first turn, and as the user that new flows' sockets will be of.
  ///
  /// Each sends a pure ACK at once: TUN delivers a flow to the queue that last wrote it, which may be a dead
  /// process's until then.
  mutating func resume(_ records: [FlowRecord]) {
    let patienceEnd = now &+ Limits.resumptionNanoseconds
    let own = records.filter { plan.owner(of: $0.key) == index }
    for record in own.sorted(by: { $0.lastActivity < $1.lastActivity }) {
      guard let flow = insert(record) else { continue }
      if plan.role == .server, !reopenSocket(record, flow: flow, until: patienceEnd) {
        flows.remove(flow)
        continue
      }
      flows[flow].resume(record)
      if plan.role == .server {
        // Those that are beyond a limit, which may be lower than it was, go on uncounted.
        flows[flow].isCounted = plan.sourceCounts?.add(record.key.remote) != false
      }
      idleOrder.note(flow, activity: record.lastActivity)
      setTimer(flow)
      statistics.add(.flowsResumed)
      sendControl(flows[flow].control(.ack))
    }
  }

  /// A slot for the flow; nil when it belongs to another set-up than this, has been silent for too long, or
  /// does not fit any more.
  private mutating func insert(_ record: FlowRecord) -> UInt32? {
    let key = record.key
    guard key.local == plan.ownAddress(isIPv4: key.isIPv4), flows.find(key) == nil,
      record.isAlive(now: now, idleNanoseconds: plan.idleNanoseconds)
    else { return nil }
    let segmentBytesMax = plan.segmentBytesMax(isIPv4: key.isIPv4)
    switch plan.role {
    case .server:
      guard key.localPort == plan.listenPort else { return nil }
      return flows.insert(key: key, peer: .none, segmentBytesMax: segmentBytesMax, now: now)
    case .client:
      guard let target = target(at: key.remoteEndpoint), flows.find(peer: record.peer) == nil,
        ports.take(key.localPort)
      else { return nil }
      if let flow = flows.insert(key: key, peer: record.peer, segmentBytesMax: segmentBytesMax, now: now) {
        flows[flow].target = target
        return flow
      }
      ports.giveBack(key.localPort)
      return nil
    }
  }

  /// Opens the flow's socket where it was, so that the service sees the same sender, or else anywhere.
  private mutating func reopenSocket(_ record: FlowRecord, flow: UInt32, until patienceEnd: UInt64) -> Bool {
    let generation = flows[flow].generation
    var old: Endpoint? = record.peer.remoteEndpoint == plan.remote ? record.peer.localEndpoint : nil
    while true {
      do throws(KernelError) {
        let local = try engine.openSocket(flow: flow, generation: generation, at: old)
        setService(local, flow: flow)
        return true
      } catch {
        guard old != nil else {
          reportFull(.socketUnavailable, key: record.key, peer: plan.remote, detail: Int(error.errno))
          return false
        }
        // A killed process's sockets go some time after it.
        if error.errno == EADDRINUSE, guise_now() < patienceEnd {
          guise_rest_until(guise_now() &+ Limits.resumptionStepNanoseconds)
          continue
        }
        report(.resumedElsewhere, flow: flow, detail: Int(error.errno))
        old = nil
      }
    }
  }

  /// Notes where the socket of a server's flow is, which completes what the flow is known by.
  mutating func setService(_ local: Endpoint, flow index: UInt32) {
    flows[index].peer = FlowKey(
      remote: plan.remote.address, local: local.address, remotePort: plan.remote.port, localPort: local.port)
    flows[index].sealIdentity()
    reportFile()
  }

  /// Tells the log, once, that the flow file does not grow any more.
  mutating func reportFile() {
    guard !hasReportedFile, let refusal = flows.fileRefusal else { return }
    hasReportedFile = true
    _ = events.push(
      FlowEvent(
        kind: .flowFileFull, worker: UInt16(index), remote: plan.remote, localPort: plan.listenPort,
        peer: plan.remote, detail: Int(refusal.errno), limit: flows.count - 1))
    events.publish()
  }

  /// Sends off what is queued and lets go of the flows: another process finds them in the file.
  mutating func leaveFlows() {
    closeTrains()
    engine.flush(&buffers, &trains)
    engine.release()
  }
}
