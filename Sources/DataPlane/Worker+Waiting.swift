/// Datagrams that wait while their flow's handshake runs, or until one that lost its path has a successor.
///
/// They are copied, since a receive buffer must not stay away for as long as a peer pleases; the copies form a list
/// through the buffers themselves, whose ends the flow knows.
extension Worker where E: ~Copyable {
  /// Copies datagrams into the queue of a flow whose handshake runs, or of the one that shall take its place.
  @inline(never)
  mutating func hold(_ arrival: DatagramArrival, flow index: UInt32) {
    flows[index].lastActivity = now
    let partner = flows[index].partner
    let holder = flows[index].state == .suspended && partner != Flow.noFlow ? partner : index
    if flows[holder].hurry(now: now) { setTimer(holder) }
    var offset = 0
    while offset < arrival.length {
      let length = min(arrival.partSize, arrival.length - offset)
      unsafe holdOne(buffers.base(arrival.buffer) + arrival.offset + offset, length, flow: holder)
      offset += length
    }
  }

  private mutating func holdOne(_ payload: UnsafeMutableRawPointer, _ length: Int, flow index: UInt32) {
    guard Int(flows[index].pendingCount) < Limits.pendingDatagramsPerFlow,
      Int(flows[index].pendingBytes) + length <= Limits.pendingBytesPerFlow,
      let copy = buffers.take(.pending)
    else { return statistics.drop(.handshakeQueueFull) }
    // Safety: a pending buffer has room for one segment's payload, and length was checked against that.
    unsafe (buffers.base(copy) + Limits.headroom).copyMemory(from: payload, byteCount: length)
    buffers.setLength(copy, length)
    buffers.setNext(copy, Flow.noBuffer)
    if flows[index].pendingTail == Flow.noBuffer {
      flows[index].pendingHead = copy
    } else {
      buffers.setNext(flows[index].pendingTail, copy)
    }
    flows[index].pendingTail = copy
    flows[index].pendingCount += 1
    flows[index].pendingBytes += Int32(length)
  }

  /// Lets what waits for one flow wait for another, behind what waits there.
  mutating func moveHeld(from old: UInt32, to new: UInt32) {
    guard flows[old].pendingHead != Flow.noBuffer else { return }
    if flows[new].pendingTail == Flow.noBuffer {
      flows[new].pendingHead = flows[old].pendingHead
    } else {
      buffers.setNext(flows[new].pendingTail, flows[old].pendingHead)
    }
    flows[new].pendingTail = flows[old].pendingTail
    flows[new].pendingCount += flows[old].pendingCount
    flows[new].pendingBytes += flows[old].pendingBytes
    flows[old].pendingHead = Flow.noBuffer
    flows[old].pendingTail = Flow.noBuffer
    flows[old].pendingCount = 0
    flows[old].pendingBytes = 0
  }

  /// Sends what waited, in order, as far as the flow's state lets it.
  mutating func releaseHeld(flow index: UInt32) {
    while flows[index].pendingHead != Flow.noBuffer {
      let length = buffers.length(flows[index].pendingHead)
      // The limit may have been lowered since.
      let fits = length <= Int(flows[index].segmentBytesMax) || takes(length, flow: index)
      if fits, flows[index].state != .established {
        guard length <= Int(flows[index].firstFlightLeft) else { return }
        flows[index].firstFlightLeft -= Int32(length)
      }
      guard let buffer = popHeld(flow: index) else { return }
      if fits {
        gather(
          .uplink, flow: index, buffer: buffer, offset: Limits.headroom, length: length, partSize: length)
      } else {
        statistics.drop(.datagramTooLarge)
      }
      buffers.release(buffer)
    }
  }

  /// The oldest datagram that waits for the handshake, with its hold.
  mutating func popHeld(flow index: UInt32) -> BufferID? {
    let buffer = flows[index].pendingHead
    guard buffer != Flow.noBuffer else { return nil }
    flows[index].pendingHead = buffers.next(buffer)
    flows[index].pendingCount -= 1
    flows[index].pendingBytes -= Int32(buffers.length(buffer))
    if flows[index].pendingHead == Flow.noBuffer { flows[index].pendingTail = Flow.noBuffer }
    return buffer
  }
}
