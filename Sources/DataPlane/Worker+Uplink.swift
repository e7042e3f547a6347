/// UDP to TUN.
///
/// 1. `uplink` counts and checks what came: one datagram, or a train of equal ones (UDP_GRO).
/// 2. `uplinkFlow` finds the flow; the client opens one for a new sender. With several connections for each
///    sender, `connection` says which of them this turn's datagrams take.
/// 3. While the handshake runs, `hold` (Worker+Waiting.swift) copies datagrams into the flow's queue. What is larger
///    than the path takes goes no further (Worker+PathMTU.swift).
/// 4. `gather` (Worker+Trains.swift) puts the payload into the flow's open train, where it lies.
/// 5. `closeUplink` builds the headers in front of the first payload and hands the train to the engine.
extension Worker where E: ~Copyable {
  @inline(__always)
  mutating func uplink(_ arrival: DatagramArrival) {
    defer { buffers.release(arrival.buffer) }
    let count = arrival.datagramCount
    statistics.add(.udpReceives)
    statistics.add(.datagramsIn, count)
    statistics.add(.datagramBytesIn, arrival.length)
    guard !arrival.isTruncated else { return statistics.drop(.truncatedDatagram, count) }
    guard arrival.length > 0 else { return statistics.drop(.emptyDatagram) }

    guard let index = uplinkFlow(arrival, count) else { return }
    guard arrival.partSize <= Int(flows[index].segmentBytesMax) else {
      return sendWhatFits(arrival, flow: index)
    }
    send(arrival, flow: index)
  }

  /// Sends datagrams that fit, or lets them wait.
  @inline(__always)
  mutating func send(_ arrival: DatagramArrival, flow index: UInt32) {
    guard maySend(arrival.length, flow: index) else { return hold(arrival, flow: index) }
    if now &- flows[index].lastActivity >= Limits.quietNanoseconds { resume(index) }
    flows[index].lastActivity = now
    noteDirection(.uplink, flow: index, arrival.datagramCount)
    gather(
      .uplink, flow: index, buffer: arrival.buffer, offset: arrival.offset, length: arrival.length,
      partSize: arrival.partSize)
  }

  /// Whether so many bytes may leave now: always once established, and a first flight before that.
  @inline(__always)
  private mutating func maySend(_ length: Int, flow index: UInt32) -> Bool {
    if flows[index].state == .established { return true }
    guard flows[index].state == .unconfirmed, flows[index].pendingHead == Flow.noBuffer,
      length <= Int(flows[index].firstFlightLeft)
    else { return false }
    flows[index].firstFlightLeft -= Int32(length)
    return true
  }

  /// The flow that an arrival belongs to; nil when it has been dropped.
  @inline(__always)
  private mutating func uplinkFlow(_ arrival: DatagramArrival, _ count: Int) -> UInt32? {
    switch plan.role {
    case .server:
      guard arrival.flow < flows.usedCount, flows[arrival.flow].generation == arrival.generation,
        flows[arrival.flow].state != .free
      else {
        statistics.drop(.staleCompletion, count)
        return nil
      }
      return arrival.flow
    case .client:
      var peer = FlowKey(
        remote: arrival.source.address, local: arrival.local, remotePort: arrival.source.port, localPort: 0)
      if connections.isNumbered { peer.localPort = connection(of: peer) }
      if let index = flows.find(peer: peer) { return index }
      return openFlow(for: peer, count)
    }
  }

  /// Which of its TCP flows a sender's datagrams take in this turn: all the same one, so that trains stay
  /// whole, and in the next turn any other (docs/decisions/0021-connections.md).
  @inline(__always)
  private func connection(of peer: FlowKey) -> UInt16 {
    var batch = peer
    batch.localPort = turnNumber
    return connections.number(plan.keyHash.hash(batch))
  }

  /// Opens a flow for a new sender or one more of its connections; nil when there is no room for it.
  @inline(never)
  private mutating func openFlow(for peer: FlowKey, _ count: Int) -> UInt32? {
    if ports.takenCount == ports.capacity || flows.isFull { _ = makeRoom() }
    let target = preference.current
    do throws(DropReason) {
      return try openFlow(for: peer, target: target, synTries: synTries)
    } catch {
      statistics.drop(error, count)
      let isPorts = error == .portSpaceFull
      let remote = remote(target)
      reportFull(
        isPorts ? .portSpaceFull : .flowTableFull,
        key: FlowKey(
          remote: remote.address, local: plan.ownAddress(isIPv4: remote.address.isIPv4),
          remotePort: remote.port, localPort: 0),
        peer: peer.remoteEndpoint, limit: isPorts ? ports.capacity : flows.limit)
      return nil
    }
  }

  /// Opens a flow to one of the servers: a source port, an entry, a SYN.
  mutating func openFlow(
    for peer: FlowKey, target: UInt8, synTries: UInt8, backoff: UInt8 = 0, partner: UInt32 = Flow.noFlow
  ) throws(DropReason) -> UInt32 {
    let remote = remote(target)
    let isIPv4 = remote.address.isIPv4
    guard let port = ports.take() else { throw .portSpaceFull }
    let key = FlowKey(
      remote: remote.address, local: plan.ownAddress(isIPv4: isIPv4), remotePort: remote.port,
      localPort: port)
    guard
      let index = flows.insert(
        key: key, peer: peer, segmentBytesMax: plan.segmentBytesMax(isIPv4: isIPv4), now: now)
    else {
      ports.giveBack(port)
      throw .flowTableFull
    }
    flows[index].target = target
    flows[index].triesMax = synTries
    flows[index].backoff = backoff
    flows[index].partner = partner
    // Who a successor is for is known when it takes over.
    if peer != .none { flows[index].sealIdentity() }
    reportFile()
    let syn = flows[index].open(now: now)
    setTimer(index)
    idleOrder.note(index, activity: now)
    sendControl(syn)
    return index
  }

  /// Sends the packet that goes first on every flow (`--handshake-packet`).
  mutating func sendHandshakePacket(flow index: UInt32) {
    guard let buffer = handshakeBuffer else { return }
    // Its headers must not be built in place: the buffer serves every flow.
    gather(
      .uplink, flow: index, buffer: buffer, offset: Limits.headroom, length: buffers.length(buffer),
      partSize: buffers.length(buffer), headroom: false)
  }

  /// Builds the headers in front of a train and hands it to the engine.
  @inline(__always)
  mutating func closeUplink(_ id: TrainID) {
    let train = trains[id]
    let acknowledgement = flows[train.flow].acknowledgementForData(now: now)
    flows[train.flow].uplinkTrain = Flow.noTrain
    let header = SegmentHeader(
      key: flows[train.flow].key, sequence: train.sequence, acknowledgement: acknowledgement, flags: .ack,
      payloadLength: train.byteCount, segmentSize: train.partCount > 1 ? train.partSize : 0)
    let (vectors, count) = unsafe trains.prependHeader(id, header)
    unsafe engine.writePacket(id, vectors, count: count, &trains)
    moderation.noteTrain()
    statistics.add(.tunWrites)
    statistics.add(.segmentsOut, train.partCount)
    statistics.add(.segmentBytesOut, train.byteCount)
  }
}
