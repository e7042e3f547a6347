/// What operators ask: to see flows, to close them, to open them anew. A bounded piece of it in a turn, so that
/// packets do not wait for a walk through a whole table.
extension Worker where E: ~Copyable {
  @inline(__always)
  mutating func takeRequest() {
    guard let request = requests.takeRequest() else { return }
    answer(request)
  }

  @inline(never)
  private mutating func answer(_ request: WorkerRequest) {
    guard request.verb != .answer else { return requests.reply(RequestSlot.Answer()) }
    let end = flows.usedCount
    let isList = request.verb == .list
    let countMax = isList ? Limits.summariesPerRequest : Limits.expirationsPerTurn
    let began = request.began ?? now
    var slot = min(request.from, end)
    var seen = 0
    var count = 0
    while slot < end, count < countMax, seen < Limits.slotsPerRequest {
      if flows[slot].openedAt <= began,
        request.selection.contains(flows[slot], peer: udpSide(slot), now: now),
        carryOut(request.verb, slot, count)
      {
        count += 1
      }
      slot += 1
      seen += 1
    }
    var next = request
    (next.from, next.began) = (slot, began)
    requests.reply(RequestSlot.Answer(count: UInt32(count), next: slot < end ? next : nil))
  }

  private mutating func carryOut(_ verb: WorkerRequest.Verb, _ index: UInt32, _ position: Int) -> Bool {
    switch verb {
    case .answer: return false
    case .list: requests.write(summary(index), at: position)
    case .close:
      if flows[index].state != .synSent { sendReset(index) }
      closeFlow(index, .asked)
    case .reconnect: return reconnect(index)
    }
    return true
  }

  private func summary(_ index: UInt32) -> FlowSummary {
    let flow = flows[index]
    let state: FlowSummary.State =
      if isSuccessor(index) {
        .successor
      } else {
        switch flow.state {
        case .free, .synSent: .opening
        case .unconfirmed: .unconfirmed
        case .established: .established
        case .suspended: .suspended
        }
      }
    return FlowSummary(
      worker: UInt16(self.index), state: state, remote: flow.key.remoteEndpoint,
      localPort: flow.key.localPort,
      peer: udpSide(index), ageNanoseconds: now &- min(now, flow.openedAt),
      silentNanoseconds: now &- min(now, flow.lastActivity), sent: flow.sendNext.value,
      received: flow.receiveNext.value, handshakeMicroseconds: flow.handshakeMicroseconds,
      probeMicroseconds: flow.probeMicroseconds, waitingCount: flow.pendingCount,
      datagramBytesMax: flow.segmentBytesMax)
  }

  private func udpSide(_ index: UInt32) -> Endpoint {
    plan.role == .client ? flows[index].peer.remoteEndpoint : flows[index].peer.localEndpoint
  }
}
