/// What the clock does to flows, and how they end.
extension Worker where E: ~Copyable {
  /// Lets flows whose deadline has passed act, a batch of them; the others keep the next turn from waiting.
  /// Thousands of flows may share a slot of the wheel, and packets must not wait for all of them.
  @inline(__always)
  mutating func expireTimers() {
    var left = Limits.expirationsPerTurn
    while left > 0, let flow = timers.popExpired(now: now) {
      expire(flow)
      left &-= 1
    }
  }

  private mutating func expire(_ index: UInt32) {
    let reaction = flows[index].expire(
      now: now, idleNanoseconds: plan.idleNanoseconds, keepalive: plan.keepaliveNanoseconds)
    if let reply = reaction.reply { sendControl(reply) }
    switch reaction.effect {
    case .close(let reason): return lose(index, reason)
    case .probe:
      statistics.add(.probes)
      // Names are looked up while the path may still answer, to be known when it is given up.
      if flows[index].liveness.unanswered > 1 { plan.remotes?.wantLookUp() }
      giveUpIfMoved(index)
    case .suspended:
      statistics.add(.probes)
      suspend(index)
    case .none, .deliver, .established, .drop, .probeAnswered: break
    }
    guard flows[index].state != .free else { return }
    idleOrder.note(index, activity: flows[index].lastActivity)
    if reaction.releasesHeld { settle(index) }
    considerMoving(index)
    setTimer(index)
  }

  mutating func setTimer(_ index: UInt32) {
    timers.set(
      index,
      at: flows[index].deadline(
        idleNanoseconds: plan.idleNanoseconds, isWatched: plan.keepaliveNanoseconds != nil))
  }

  /// A datagram goes on a flow that was quiet, which is watched again from now on.
  @inline(never)
  mutating func resume(_ index: UInt32) {
    guard plan.keepaliveNanoseconds != nil, flows[index].state == .established else { return }
    flows[index].lastActivity = now
    flows[index].resume(now: now)
    setTimer(index)
  }

  /// Tells the other end that a flow is over, after what is gathered for it.
  mutating func sendReset(_ index: UInt32) {
    closeTrains(of: index)
    sendControl(flows[index].reset)
  }

  /// Ends a flow: what is gathered still goes out, what waited is dropped, port and socket are given back.
  mutating func closeFlow(_ index: UInt32, _ reason: Flow.CloseReason) {
    part(index)
    closeTrains(of: index)
    while let buffer = popHeld(flow: index) {
      buffers.release(buffer)
      statistics.drop(.handshakeFailed)
    }
    switch plan.role {
    case .client: ports.giveBack(flows[index].key.localPort)
    case .server:
      engine.closeSocket(flow: index, generation: flows[index].generation)
      if flows[index].isCounted { plan.sourceCounts?.remove(flows[index].key.remote) }
    }
    timers.cancel(index)
    idleOrder.remove(index)
    let wasOpen = flows[index].state != .synSent
    if wasOpen { statistics.add(.flowsClosed) }
    switch reason {
    // Of a successor that failed, only its flow is spoken of.
    case _ where flows[index].peer == .none && plan.role == .client: break
    case .idle: report(.closedIdle, flow: index)
    case .resetByPeer: report(.closedByPeer, flow: index)
    case .refused: report(.closedRefused, flow: index)
    case .displaced:
      statistics.add(.flowsDisplaced)
      let silence = (now - flows[index].lastActivity) / 1_000_000_000
      report(.closedForRoom, flow: index, detail: Int(silence))
    case .unanswered: report(.closedUnanswered, flow: index)
    case .asked: report(.closedOnRequest, flow: index)
    case .replaced, .shutdown: break
    }
    flows.remove(index)
  }

  /// Ends the flow that has been silent longest, to make room for another. False where all have spoken lately:
  /// then whoever comes is refused, so that nobody can drive out those who use theirs.
  @inline(never)
  mutating func makeRoom() -> Bool {
    for _ in 0..<Limits.displacementTries {
      guard let index = idleOrder.first else { return false }
      let activity = flows[index].lastActivity
      if idleOrder.note(index, activity: activity) { continue }
      guard now >= activity + Limits.displacementNanoseconds else { return false }
      if flows[index].state != .synSent { sendReset(index) }
      closeFlow(index, .displaced)
      return true
    }
    return false
  }

  /// Resets every flow, as the gateway ends.
  mutating func closeAllFlows() {
    for index in 0..<flows.usedCount where flows[index].state != .free {
      if flows[index].state != .synSent { sendReset(index) }
      closeFlow(index, .shutdown)
    }
    closeTrains()
    engine.flush(&buffers, &trains)
  }

  /// Tells the log why a new flow had to be refused: whoever has met the end of one resource meets it with
  /// every packet, so once in a while must do.
  mutating func reportFull(
    _ kind: FlowEvent.Kind, key: FlowKey, peer: Endpoint, detail: Int = 0, limit: Int = 0
  ) {
    guard now >= fullReportDue else { return }
    fullReportDue = now + Limits.fullReportNanoseconds
    _ = events.push(
      FlowEvent(
        kind: kind, worker: UInt16(index), remote: key.remoteEndpoint, localPort: key.localPort, peer: peer,
        detail: detail, limit: limit))
    events.publish()
  }

  /// Tells the log. When nobody drains the ring, events are lost, not packets.
  mutating func report(_ kind: FlowEvent.Kind, flow index: UInt32, detail: Int = 0, limit: Int = 0) {
    let flow = flows[index]
    _ = events.push(
      FlowEvent(
        kind: kind, worker: UInt16(self.index), remote: flow.key.remoteEndpoint,
        localPort: flow.key.localPort,
        peer: plan.role == .client ? flow.peer.remoteEndpoint : plan.remote, detail: detail, limit: limit))
    events.publish()
  }
}
