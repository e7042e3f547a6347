/// TUN to UDP.
///
/// 1. `downlink` reads the headers and checks what has to be checked: lengths, checksum, addresses.
///    What is not TCP goes to `receiveError` (Worker+PathMTU.swift).
/// 2. A packet of a flow that lives on another worker is handed over (Worker+Handoff.swift).
/// 3. The flow's state machine says what the segment means. `answerStranger` deals with segments of no flow:
///    SYNs get a cookie, a cookie that comes back opens a flow, anything else is reset, so many in a second.
/// 4. `gather` (Worker+Trains.swift) puts the payload into the flow's open train, where it lies.
/// 5. `closeDownlink` hands the train to the engine: one datagram, or many that the kernel cuts (UDP_SEGMENT).
extension Worker where E: ~Copyable {
  @inline(__always)
  mutating func downlink(_ arrival: PacketArrival) {
    statistics.add(.tunReads)
    process(arrival)
  }

  /// A packet that was read here or handed over.
  mutating func process(_ arrival: PacketArrival) {
    let bytes = unsafe RawSpan(_unsafeStart: buffers.base(arrival.buffer), byteCount: arrival.length)
    guard let vnet = VirtioNetHeader(bytes) else { return drop(arrival, .shortPacket) }
    let segment: Segment
    do throws(DropReason) {
      segment = try Segment.parse(bytes.extracting(droppingFirst: VirtioNetHeader.length), vnet: vnet)
    } catch {
      return error == .unsupportedPacket ? receiveError(arrival, vnet) : drop(arrival, error)
    }
    guard segment.key.local == plan.ownAddress(isIPv4: segment.key.isIPv4) else {
      return drop(arrival, .foreignAddress)
    }
    guard plan.role == .client || segment.key.localPort == plan.listenPort else {
      return drop(arrival, .foreignPort)
    }
    let owner = plan.owner(of: segment.key)
    guard owner == index else { return handOver(arrival, to: owner, parts: segment.partCount) }
    let tag = flows.tag(segment.key)
    guard flows.exceedCaches || segments.count > 0 else {
      receive(segment, arrival, tag: tag)
      return buffers.release(arrival.buffer)
    }
    flows.prefetchEntry(tag)
    segments.append(SegmentBatch.Entry(segment: segment, arrival: arrival, tag: tag))
    if segments.isFull { receiveSegments() }
  }

  /// Deals with the segments that were put off. Their flows are on the way, all at once, when the first is looked at.
  @inline(never)
  mutating func receiveSegments() {
    for position in 0..<segments.count { flows.prefetchFlow(segments[position].tag) }
    for position in 0..<segments.count {
      let entry = segments[position]
      receive(entry.segment, entry.arrival, tag: entry.tag)
      buffers.release(entry.arrival.buffer)
    }
    segments.removeAll()
  }

  /// `count`: the segments in it.
  mutating func drop(_ arrival: PacketArrival, _ reason: DropReason, _ count: Int = 1) {
    statistics.add(.segmentsIn, count)
    statistics.drop(reason, count)
    buffers.release(arrival.buffer)
  }

  @inline(__always)
  private mutating func receive(_ segment: Segment, _ arrival: PacketArrival, tag: UInt32) {
    let count = segment.partCount
    statistics.add(.segmentsIn, count)
    statistics.add(.segmentBytesIn, segment.payloadLength)
    guard let flow = flows.find(segment.key, tag: tag) else { return answerStranger(segment, arrival, count) }
    let reaction = flows[flow].receive(segment, now: now)
    apply(reaction, segment, arrival, flow: flow, count)
  }

  /// Does what a flow's state machine asked for in answer to a segment.
  @inline(__always)
  private mutating func apply(
    _ reaction: Reaction, _ segment: Segment, _ arrival: PacketArrival, flow index: UInt32, _ count: Int
  ) {
    if let reply = reaction.reply {
      if reaction.effect == .established { askPredecessor(of: index) }
      sendControl(reply)
    }
    if reaction.deadlineMoved { setTimer(index) }
    switch reaction.effect {
    case .deliver:
      // A successor learns by it whose datagrams these are.
      if reaction.releasesHeld { settle(index) }
      return deliver(segment, arrival, flow: index, count)
    case .none: statistics.add(.controlSegmentsIn, count)
    case .probeAnswered:
      statistics.add(.controlSegmentsIn, count)
      statistics.record(.probeRoundTrip, UInt64(flows[index].probeMicroseconds))
    case .established:
      statistics.add(.controlSegmentsIn, count)
      noteOpened(index)
      sendHandshakePacket(flow: index)
    case .close(let reason):
      statistics.add(.controlSegmentsIn, count)
      return lose(index, reason)
    case .drop(let reason): statistics.drop(reason, count)
    case .probe, .suspended: break  // What the clock does.
    }
    if reaction.releasesHeld { settle(index) }
  }

  @inline(__always)
  private mutating func deliver(
    _ segment: Segment, _ arrival: PacketArrival, flow index: UInt32, _ count: Int
  ) {
    noteDirection(.downlink, flow: index, count)
    let isTrain = segment.segmentSize > 0 && segment.segmentSize < segment.payloadLength
    gather(
      .downlink, flow: index, buffer: arrival.buffer, offset: VirtioNetHeader.length &+ segment.payloadOffset,
      length: segment.payloadLength, partSize: isTrain ? segment.segmentSize : segment.payloadLength)
  }

  /// A segment of no flow.
  @inline(never)
  private mutating func answerStranger(_ segment: Segment, _ arrival: PacketArrival, _ count: Int) {
    guard !segment.flags.contains(.rst) else { return statistics.drop(.unknownFlow, count) }
    if plan.role == .server {
      if segment.flags.isSuperset(of: [.syn]), !segment.flags.contains(.ack) {
        statistics.add(.controlSegmentsIn, count)
        statistics.add(.cookiesSent)
        return sendControl(
          SegmentHeader(
            key: segment.key, sequence: plan.cookie.sequence(for: segment.key, now: now),
            acknowledgement: segment.sequence + 1, flags: [.syn, .ack]))
      }
      if segment.flags.contains(.ack), !segment.flags.contains(.syn),
        plan.cookie.accepts(segment.acknowledgement, for: segment.key, now: now)
      {
        return acceptFlow(segment, arrival, count)
      }
    }
    statistics.drop(.unknownFlow, count)
    guard resets.take(now) else { return statistics.add(.resetsWithheld) }
    statistics.add(.resetsSent)
    sendControl(
      SegmentHeader(
        key: segment.key, sequence: segment.acknowledgement, acknowledgement: segment.end,
        flags: [.rst, .ack]))
  }

  /// Opens a flow for a client that returned our cookie, with a socket of its own.
  private mutating func acceptFlow(_ segment: Segment, _ arrival: PacketArrival, _ count: Int) {
    // Whoever may have no more flows takes nothing of what others open theirs with.
    guard plan.sourceCounts?.add(segment.key.remote) != false else {
      return refuseFlow(segment, .sourceFlowsFull, count)
    }
    guard newFlows?.take(now) != false else {
      plan.sourceCounts?.remove(segment.key.remote)
      return refuseFlow(segment, .newFlowRate, count)
    }
    if flows.isFull { _ = makeRoom() }
    let isIPv4 = segment.key.isIPv4
    guard
      let flow = flows.insert(
        key: segment.key, peer: .none, segmentBytesMax: plan.segmentBytesMax(isIPv4: isIPv4), now: now)
    else {
      plan.sourceCounts?.remove(segment.key.remote)
      return refuseFlow(segment, .flowTableFull, count)
    }
    let local: Endpoint
    do throws(KernelError) {
      local = try openSocket(flow: flow)
    } catch {
      flows.remove(flow)
      plan.sourceCounts?.remove(segment.key.remote)
      return refuseFlow(segment, .socketUnavailable, count, errno: error.errno)
    }
    setService(local, flow: flow)
    flows[flow].isCounted = true
    idleOrder.note(flow, activity: now)
    let acknowledgement = flows[flow].accept(segment, now: now)
    sendControl(acknowledgement)
    report(.opened, flow: flow)
    statistics.add(.flowsOpened)
    setTimer(flow)
    sendHandshakePacket(flow: flow)
    guard segment.payloadLength > 0 else { return statistics.add(.controlSegmentsIn, count) }
    apply(flows[flow].receive(segment, now: now), segment, arrival, flow: flow, count)
  }

  /// Opens a flow's socket. Ports and descriptors may be used up before the table is: then another flow makes
  /// room.
  private mutating func openSocket(flow: UInt32) throws(KernelError) -> Endpoint {
    do throws(KernelError) {
      return try engine.openSocket(flow: flow, generation: flows[flow].generation, at: nil)
    } catch {
      guard error.isForWantOfRoom, makeRoom() else { throw error }
      engine.settle()
      return try engine.openSocket(flow: flow, generation: flows[flow].generation, at: nil)
    }
  }

  /// Drops what would have opened a flow, and tells the log now and then.
  private mutating func refuseFlow(_ segment: Segment, _ reason: DropReason, _ count: Int, errno: Int32 = 0) {
    statistics.drop(reason, count)
    let (kind, limit): (FlowEvent.Kind, Int) =
      switch reason {
      case .newFlowRate: (.newFlowRate, plan.newFlowsPerSecond ?? 0)
      case .sourceFlowsFull: (.sourceFlowsFull, plan.sourceCounts?.limit ?? 0)
      case .socketUnavailable: (.socketUnavailable, 0)
      default: (.flowTableFull, flows.limit)
      }
    reportFull(kind, key: segment.key, peer: plan.remote, detail: Int(errno), limit: limit)
  }

  /// Hands a train of datagrams to the engine.
  @inline(__always)
  mutating func closeDownlink(_ id: TrainID) {
    let train = trains[id]
    flows[train.flow].downlinkTrain = Flow.noTrain
    switch plan.role {
    case .server:
      unsafe engine.sendDatagrams(id, trains.message(id), flow: train.flow, &trains)
    case .client:
      let peer = flows[train.flow].peer
      let message = unsafe trains.message(
        id, to: peer.remoteEndpoint, from: peer.local.isUnspecified ? nil : peer.local)
      unsafe engine.sendDatagrams(id, message, flow: DatagramArrival.listener, &trains)
    }
    moderation.noteTrain()
    statistics.add(.udpSends)
    statistics.add(.datagramsOut, train.partCount)
    statistics.add(.datagramBytesOut, train.byteCount)
  }
}

extension Segment {
  /// TCP segments in this packet: several when it is a super-packet.
  @inline(__always)
  var partCount: Int {
    guard segmentSize > 0, payloadLength > segmentSize else { return 1 }
    return (payloadLength &+ segmentSize &- 1) / segmentSize
  }
}
