/// What does not fit: errors that tell of a narrow path, and datagrams that are too large for it. Cold.
extension Worker where E: ~Copyable {
  /// Takes a packet that is not TCP. It counts as dropped unless it is an ICMP error that lowers a limit.
  @inline(never)
  mutating func receiveError(_ arrival: PacketArrival, _ vnet: VirtioNetHeader) {
    let bytes = unsafe RawSpan(_unsafeStart: buffers.base(arrival.buffer), byteCount: arrival.length)
    do throws(DropReason) {
      let error = try PacketTooBig.parse(
        bytes.extracting(droppingFirst: VirtioNetHeader.length), vnet: vnet)
      guard error.key.local == plan.ownAddress(isIPv4: error.key.isIPv4) else { throw .foreignAddress }
      guard plan.role == .client || error.key.localPort == plan.listenPort else { throw .foreignPort }
      let owner = plan.owner(of: error.key)
      guard owner == index else { return handOver(arrival, to: owner) }
      try lowerLimit(error)
      buffers.release(arrival.buffer)
    } catch {
      drop(arrival, error)
    }
  }

  private mutating func lowerLimit(_ error: PacketTooBig) throws(DropReason) {
    guard let flow = flows.find(error.key) else { throw .icmpNotCredible }
    try flows[flow].lowerLimit(error, now: now)
    statistics.add(.pathMTUUpdates)
    report(.pathLimitLowered, flow: flow, detail: error.mtu, limit: Int(flows[flow].segmentBytesMax))
  }

  /// Takes datagrams larger than the flow's limit: all go if the limit may be forgotten, otherwise just a
  /// shorter last one that fits.
  @inline(never)
  mutating func sendWhatFits(_ arrival: DatagramArrival, flow index: UInt32) {
    guard !takes(arrival.partSize, flow: index) else { return send(arrival, flow: index) }
    let tooLarge = max(1, arrival.length / arrival.partSize)
    statistics.drop(.datagramTooLarge, tooLarge)
    var last = arrival
    last.offset += tooLarge * arrival.partSize
    last.length -= tooLarge * arrival.partSize
    last.partSize = last.length
    guard last.length > 0 else { return }
    guard last.length <= Int(flows[index].segmentBytesMax) else {
      return statistics.drop(.datagramTooLarge)
    }
    send(last, flow: index)
  }

  /// Whether a datagram fits the flow's limit after all; if it does not, tells the log once per limit.
  @inline(never)
  mutating func takes(_ size: Int, flow index: UInt32) -> Bool {
    let original = plan.segmentBytesMax(isIPv4: flows[index].key.isIPv4)
    if flows[index].renewLimit(original, now: now), size <= original { return true }
    guard !flows[index].hasReportedSize else { return false }
    flows[index].hasReportedSize = true
    report(.datagramTooLarge, flow: index, detail: size, limit: Int(flows[index].segmentBytesMax))
    return false
  }
}
