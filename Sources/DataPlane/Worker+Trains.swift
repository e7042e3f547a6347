internal import Glibc

/// How payloads join into trains, on either path, and what happens when the kernel refuses one.
extension Worker where E: ~Copyable {
  /// Adds a payload of one or more parts to its flow's open train; closes and opens trains as the rule of
  /// equal parts demands. The buffer is retained once for each stretch.
  ///
  /// `headroom`: whether headers may be written over what lies in front of the payload.
  @inline(__always)
  mutating func gather(
    _ direction: Direction, flow index: UInt32, buffer: BufferID, offset: Int, length: Int, partSize: Int,
    headroom: Bool = true
  ) {
    let partsMax = direction == .uplink ? plan.segmentsPerTrainMax : plan.datagramsPerTrainMax
    let start = unsafe buffers.base(buffer) + offset
    var taken = 0
    while taken < length {
      let size = min(partSize, length &- taken)
      let id = openTrain(direction, flow: index)
      let stretch = trains[id].room(for: length &- taken, size: size, partsMax: partsMax)
      guard stretch > 0 else {
        close(id, direction)
        continue
      }
      buffers.retain(buffer)
      unsafe trains.append(
        id, buffer: buffer, at: start + taken, length: stretch, size: size, headroom: headroom && taken == 0)
      taken &+= stretch
      if direction == .uplink { flows[index].sendNext += stretch }
    }
  }

  /// Tells streams from requests and answers that alternate, by an arrival of so many datagrams.
  @inline(__always)
  mutating func noteDirection(_ direction: Direction, flow index: UInt32, _ datagrams: Int) {
    switch flows[index].course.step(to: direction) {
    case .streams: moderation.noteStreamed(datagrams)
    case .turns: moderation.noteTurned()
    case .alternates:
      moderation.noteTurned()
      moderation.noteAlternating(direction)
    }
  }

  /// The flow's open train of this batch, or a new one.
  @inline(__always)
  private mutating func openTrain(_ direction: Direction, flow index: UInt32) -> TrainID {
    switch direction {
    case .uplink:
      if flows[index].uplinkTrain != Flow.noTrain { return flows[index].uplinkTrain }
      let id = newTrain(
        flow: index, generation: flows[index].generation, sequence: flows[index].sendNext)
      flows[index].uplinkTrain = id
      openUplinks.append(id)
      return id
    case .downlink:
      if flows[index].downlinkTrain != Flow.noTrain { return flows[index].downlinkTrain }
      let id = newTrain(
        flow: index, generation: flows[index].generation, sequence: SequenceNumber(0))
      flows[index].downlinkTrain = id
      openDownlinks.append(id)
      return id
    }
  }

  @inline(__always)
  mutating func newTrain(flow: UInt32, generation: UInt16, sequence: SequenceNumber) -> TrainID {
    if openUplinks.count < Limits.trainCount, openDownlinks.count < Limits.trainCount,
      let id = trains.open(flow: flow, generation: generation, sequence: sequence)
    {
      return id
    }
    // The batch has used up all trains: close and send off what there is. This always frees them.
    closeTrains()
    engine.flush(&buffers, &trains)
    return trains.open(flow: flow, generation: generation, sequence: sequence)!
  }

  @inline(__always)
  private mutating func close(_ id: TrainID, _ direction: Direction) {
    switch direction {
    case .uplink: closeUplink(id)
    case .downlink: closeDownlink(id)
    }
  }

  /// Closes the trains that the batch has left open: nothing waits for more.
  @inline(__always)
  mutating func closeTrains() {
    for position in 0..<openUplinks.count {
      let id = openUplinks[position]
      if flows[trains[id].flow].uplinkTrain == id { closeUplink(id) }
    }
    for position in 0..<openDownlinks.count {
      let id = openDownlinks[position]
      if flows[trains[id].flow].downlinkTrain == id { closeDownlink(id) }
    }
    openUplinks.removeAll()
    openDownlinks.removeAll()
  }

  /// Closes what one flow has open, before the flow goes.
  mutating func closeTrains(of index: UInt32) {
    if flows[index].uplinkTrain != Flow.noTrain { closeUplink(flows[index].uplinkTrain) }
    if flows[index].downlinkTrain != Flow.noTrain { closeDownlink(flows[index].downlinkTrain) }
  }

  /// Sends a segment without payload.
  mutating func sendControl(_ header: SegmentHeader) {
    let id = newTrain(flow: 0, generation: 0, sequence: header.sequence)
    let (vectors, count) = unsafe trains.prependHeader(id, header)
    unsafe engine.writePacket(id, vectors, count: count, &trains)
    statistics.add(.controlSegmentsOut)
    statistics.add(.tunWrites)
  }

  /// Deals with a train that the kernel refused: where segmentation was the reason, the same parts go out one by one,
  /// and so do all others where it is the device's or the host's; otherwise they are counted as dropped.
  @inline(never)
  mutating func resend(_ id: TrainID?, _ direction: Direction, errno: Int32, parts count: Int) {
    let reason: DropReason =
      switch (direction, errno) {
      case (.uplink, _): .tunWriteFailed
      case (.downlink, EAGAIN), (.downlink, ENOBUFS): .udpSendBufferFull
      case (.downlink, _): .udpSendFailed
      }
    guard count > 0 else {
      statistics.add(.controlSegmentsOut, -1)
      return statistics.add(.controlSegmentsRefused)
    }
    statistics.add(direction == .uplink ? .segmentsOut : .datagramsOut, -count)
    // Nobody knows any more how many bytes those had that have been finished.
    guard let id else { return statistics.drop(reason, count) }
    let train = trains[id]
    statistics.add(direction == .uplink ? .segmentBytesOut : .datagramBytesOut, -train.byteCount)
    guard count > 1, Self.isAboutSegmentation(errno, direction),
      flows[train.flow].state != .free, flows[train.flow].generation == train.flowGeneration
    else { return statistics.drop(reason, count) }
    closeTrains(of: train.flow)
    let usual = (plan.segmentsPerTrainMax, plan.datagramsPerTrainMax)
    (plan.segmentsPerTrainMax, plan.datagramsPerTrainMax) = (1, 1)
    // The parts keep their place in the sequence; where several refusals come at once their order may change.
    let sendNext = flows[train.flow].sendNext
    flows[train.flow].sendNext = train.sequence
    for position in 0..<train.pieceCount {
      let piece = unsafe trains.piece(id, position)
      unsafe resendPiece(piece, train, direction, isFirst: position == 0)
    }
    closeTrains(of: train.flow)
    flows[train.flow].sendNext = sendNext
    (plan.segmentsPerTrainMax, plan.datagramsPerTrainMax) = usual
    switch (direction, errno) {
    case (.uplink, _), (.downlink, EIO): endTrains(direction, errno: errno)
    // Where parts are small, Linux 5.15 refuses full trains: it counts headers among their bytes.
    case (.downlink, _) where count == Limits.trainSegmentsMax:
      plan.datagramsPerTrainMax = min(plan.datagramsPerTrainMax, count &- 1)
    // Of this destination alone: parts larger than its MTU, say.
    case (.downlink, _): break
    }
  }

  /// Has all parts go one by one from now on, and tells the log, once.
  private mutating func endTrains(_ direction: Direction, errno: Int32) {
    guard (direction == .uplink ? plan.segmentsPerTrainMax : plan.datagramsPerTrainMax) > 1 else { return }
    if direction == .uplink { plan.segmentsPerTrainMax = 1 } else { plan.datagramsPerTrainMax = 1 }
    _ = events.push(
      FlowEvent(
        kind: direction == .uplink ? .segmentsRefused : .datagramsRefused, worker: UInt16(index),
        remote: plan.remote, localPort: plan.listenPort, peer: plan.remote, detail: Int(errno)))
    events.publish()
  }

  /// EIO of a socket says that checksums cannot be left to the kernel (`udp_send_skb`); of TUN, that the device
  /// is down (`tun_get_user`), which passes.
  private static func isAboutSegmentation(_ errno: Int32, _ direction: Direction) -> Bool {
    switch direction {
    case .uplink: errno == EINVAL
    case .downlink: errno == EIO || errno == EINVAL || errno == EMSGSIZE
    }
  }

  private mutating func resendPiece(
    _ piece: (buffer: BufferID, vector: iovec), _ train: Train, _ direction: Direction, isFirst: Bool
  ) {
    // The first piece of an uplink train may have grown by the headers in front of it.
    let grown = direction == .uplink && isFirst && train.hasHeadroom
    let header = grown ? flows[train.flow].control(.ack).length : 0
    let start = unsafe piece.vector.iov_base! + header - buffers.base(piece.buffer)
    let length = unsafe piece.vector.iov_len - header
    gather(
      direction, flow: train.flow, buffer: unsafe piece.buffer, offset: start, length: length,
      partSize: train.partSize, headroom: false)
  }
}
