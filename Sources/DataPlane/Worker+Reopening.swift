/// Flows whose path no longer answers, and flows that move to a server that is preferred.
///
/// Such a flow gets a *successor*: a second one from a port of its own, which carries nothing at first and is
/// found by no UDP peer. Once the successor is confirmed it takes the UDP side over. A suspended flow that is
/// answered first goes on, and its successor goes (docs/decisions/0041-successors.md).
extension Worker where E: ~Copyable {
  // MARK: - Servers

  /// The endpoint of a client's server, as it is known now.
  func remote(_ target: UInt8) -> Endpoint { plan.remotes?[Int(target)] ?? plan.remote }

  /// The server that has this endpoint now; nil when none has.
  func target(at endpoint: Endpoint) -> UInt8? { (0..<remoteCount).first { remote($0) == endpoint } }

  private var remoteCount: UInt8 { UInt8(plan.remotes?.count ?? 1) }

  /// SYNs of a new flow: fewer where there is something else to try.
  var synTries: UInt8 { remoteCount > 1 ? Limits.synTriesOfSuccessor : Limits.synTries }

  /// A handshake of ours is complete. A successor is spoken of when it takes over.
  @inline(never)
  mutating func noteOpened(_ index: UInt32) {
    statistics.add(.flowsOpened)
    statistics.record(.handshakeRoundTrip, UInt64(flows[index].handshakeMicroseconds))
    noteAnswer(of: flows[index].target)
    if !isSuccessor(index) { report(.opened, flow: index) }
  }

  private mutating func noteAnswer(of target: UInt8) {
    preference.noteAnswer(of: target)
    guard let news = preference.takeNews() else { return }
    _ = events.push(
      FlowEvent(
        kind: .serverChanged, worker: UInt16(index), remote: remote(news), localPort: 0, peer: remote(0),
        detail: Int(news) + 1, limit: Int(remoteCount)))
    events.publish()
  }

  /// Takes notice of addresses that have changed: handshakes with the old ones begin anew, and flows that lack an
  /// answer go over to the new ones.
  @inline(never)
  mutating func followRemotes() {
    guard let remotes = plan.remotes, remotes.edition != remoteEdition else { return }
    remoteEdition = remotes.edition
    for index in 0..<flows.usedCount where hasMoved(index) {
      if flows[index].state != .synSent {
        giveUpIfMoved(index)
        setTimer(index)
      } else if isSuccessor(index) {
        renewSuccessor(index, target: flows[index].target)
      } else {
        replace(index, target: flows[index].target)
      }
    }
  }

  /// Whether the flow's server is known to be at another address now.
  private func hasMoved(_ index: UInt32) -> Bool {
    flows[index].state != .free && flows[index].key.remoteEndpoint != remote(flows[index].target)
  }

  /// An answer that is owed, and a name that says another address: the path is given up before its time
  /// (docs/decisions/0084-moved-servers.md).
  mutating func giveUpIfMoved(_ index: UInt32) {
    if flows[index].isDoubted, hasMoved(index) { flows[index].giveUp(now: now) }
  }

  // MARK: - What happens to flows

  /// A path does not answer: sees to it that the flow has a successor.
  @inline(never)
  mutating func suspend(_ index: UInt32) {
    plan.remotes?.wantLookUp()
    guard flows[index].partner == Flow.noFlow else { return }
    report(.suspended, flow: index, detail: Int((now - flows[index].liveness.heardAt) / 1_000_000))
    guard openSuccessor(of: index, target: preference.current) else {
      // No room for two: the next datagram opens another.
      return closeFlow(index, .unanswered)
    }
  }

  /// A handshake has failed, or the other end has said that it does not know the flow.
  @inline(never)
  mutating func lose(_ index: UInt32, _ reason: Flow.CloseReason) {
    let target = flows[index].target
    switch reason {
    case .resetByPeer:
      let wantedFor = min(Limits.reopeningNanoseconds, plan.idleNanoseconds / 2)
      let isYoung = now &- flows[index].openedAt < Limits.reopeningNanoseconds
      if isYoung, isSuccessor(index) { preference.noteFailure(of: target) }
      guard plan.role == .client, now &- flows[index].lastActivity < wantedFor, !isSuccessor(index) else {
        return closeFlow(index, reason)
      }
      plan.remotes?.wantLookUp()
      // Whoever resets again what it has just accepted would go on so: it has failed like one that does not answer.
      if isYoung, flows[index].failedTargets > 0 { return reopenElsewhere(index) }
      if flows[index].partner == Flow.noFlow {
        guard openSuccessor(of: index, target: target) else { return closeFlow(index, reason) }
      }
      if isYoung { flows[flows[index].partner].failedTargets = 1 }
      report(.closedByPeer, flow: index)
      handOver(from: index, to: flows[index].partner)
    case .unanswered, .refused:
      plan.remotes?.wantLookUp()
      preference.noteFailure(of: target)
      if isSuccessor(index) { return renewSuccessor(index, target: preference.current) }
      let failed = flows[index].failedTargets + 1
      guard failed < remoteCount, replace(index, target: preference.current, failedTargets: failed) else {
        return closeFlow(index, reason)
      }
    case .idle, .displaced, .replaced, .asked, .shutdown: closeFlow(index, reason)
    }
  }

  /// A flow was reset just after its handshake, and so was the one before it: it goes to another server, if there is one that
  /// has not failed it, and else it is for the next datagram to try again.
  private mutating func reopenElsewhere(_ index: UInt32) {
    preference.noteFailure(of: flows[index].target)
    let failed = flows[index].failedTargets + 1
    guard failed <= remoteCount, flows[index].partner == Flow.noFlow,
      replace(index, target: preference.current, failedTargets: failed)
    else { return closeFlow(index, .resetByPeer) }
  }

  /// What waited may go, since a flow is established, confirmed, or answered again.
  @inline(never)
  mutating func settle(_ index: UInt32) {
    let partner = flows[index].partner
    guard partner != Flow.noFlow else { return releaseHeld(flow: index) }
    if !isSuccessor(index) {
      moveHeld(from: partner, to: index)
      dismiss(partner)
      report(.resumed, flow: index)
    } else {
      guard flows[index].state == .established else { return }
      let port = flows[partner].key.localPort
      sendReset(partner)
      handOver(from: partner, to: index)
      report(.reopened, flow: index, detail: Int(port))
    }
    releaseHeld(flow: index)
  }

  /// A successor's handshake is about to be completed: the flow before it is asked once more, first, since
  /// it is the one that the service knows.
  @inline(never)
  mutating func askPredecessor(of index: UInt32) {
    guard isSuccessor(index), flows[flows[index].partner].state == .suspended else { return }
    sendControl(flows[flows[index].partner].probeHeader)
    statistics.add(.probes)
  }

  /// Lets a healthy flow look for a server that is preferred to its own.
  mutating func considerMoving(_ index: UInt32) {
    guard flows[index].target > 0, flows[index].state == .established, flows[index].partner == Flow.noFlow,
      let target = preference.betterTarget(than: flows[index].target, now: now)
    else { return }
    _ = openSuccessor(of: index, target: target)
  }

  /// Gives a client's flow a successor, as if its path did not answer: datagrams go on meanwhile. False where it
  /// has one, or there is no room.
  mutating func reconnect(_ index: UInt32) -> Bool {
    guard plan.role == .client, flows[index].state == .established, flows[index].partner == Flow.noFlow else {
      return false
    }
    return openSuccessor(of: index, target: preference.current)
  }

  // MARK: - Successors

  @inline(__always)
  func isSuccessor(_ index: UInt32) -> Bool {
    flows[index].partner != Flow.noFlow && flows[index].peer == .none
  }

  /// Opens a flow that may take another's place; false where there is no room for it.
  private mutating func openSuccessor(of index: UInt32, target: UInt8, backoff: UInt8 = 0) -> Bool {
    do throws(DropReason) {
      let successor = try openFlow(
        for: .none, target: target, synTries: Limits.synTriesOfSuccessor, backoff: backoff, partner: index)
      flows[index].partner = successor
      return true
    } catch {
      return false
    }
  }

  /// A successor got no answer: another port, and another server where there is one. What waited for this
  /// one has become old.
  private mutating func renewSuccessor(_ index: UInt32, target: UInt8) {
    let old = flows[index].partner
    let backoff = flows[index].backoff
    closeFlow(index, .unanswered)
    guard flows[old].state == .suspended else { return }
    // Without room for it the flow asks for another at its next probe.
    _ = openSuccessor(of: old, target: target, backoff: backoff)
  }

  /// Begins a handshake anew, from another port, with all that waits for it; false where there is no room.
  @discardableResult
  private mutating func replace(_ index: UInt32, target: UInt8, failedTargets: UInt8 = 0) -> Bool {
    guard openSuccessor(of: index, target: target) else { return false }
    let successor = flows[index].partner
    flows[successor].failedTargets = failedTargets
    handOver(from: index, to: successor)
    return true
  }

  /// Gives a flow's UDP side to its successor, and ends the flow without a word.
  private mutating func handOver(from old: UInt32, to new: UInt32) {
    let peer = flows[old].peer
    if flows[old].state != .synSent { statistics.add(.flowsReopened) }
    flows[old].partner = Flow.noFlow
    flows[new].partner = Flow.noFlow
    flows[new].lastActivity = flows[old].lastActivity
    // What waits at the old flow came first, also where that had no successor for a while.
    moveHeld(from: new, to: old)
    moveHeld(from: old, to: new)
    closeFlow(old, .replaced)
    flows.assign(peer, to: new)
  }

  /// Before the flow's slot goes: its partner must not point there.
  mutating func part(_ index: UInt32) {
    let partner = flows[index].partner
    guard partner != Flow.noFlow else { return }
    flows[index].partner = Flow.noFlow
    flows[partner].partner = Flow.noFlow
    // A successor without the flow before has nobody to serve.
    if flows[partner].peer == .none { dismiss(partner) }
  }

  private mutating func dismiss(_ successor: UInt32) {
    if flows[successor].state != .synSent { sendReset(successor) }
    closeFlow(successor, .replaced)
  }
}
