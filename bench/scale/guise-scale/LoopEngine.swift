internal import Glibc

/// What a worker is fed: one arrival for each flow, in an order of its own.
@safe
struct Feed {
  enum Kind {
    /// The third packet of a handshake, which opens the flow.
    case opening
    /// A segment with payload, from TUN.
    case segments
    /// A datagram from the flow's socket.
    case datagrams
  }
  var kind = Kind.opening
  /// Which flow comes at which place.
  var order: UnsafePointer<UInt32>
  var position = 0
  var end = 0
  /// The clock that the worker sees, nanoseconds.
  var now: UInt64 = 1 << 40
  /// Sequence number of every flow's next segment: each takes part in each pass.
  var sequence: UInt32 = 0
  /// Acknowledgement number of an opening, flow by flow.
  var cookies: UnsafeMutablePointer<UInt32>
}

/// An engine without a kernel: arrivals are made up, what is sent is forgotten.
///
/// It writes into buffers what the kernel would have written there, so that a worker finds headers in its
/// cache as it does after a read.
@safe
struct LoopEngine: Engine, ~Copyable {
  static let batch = 64
  static let payloadLength = 64
  static let listenPort: UInt16 = 4_567
  static let serverAddress = Address("192.168.201.2")!

  private let feed: UnsafeMutablePointer<Feed>
  private var left = 0
  private var queued: TrainList
  private var inFlight: TrainList

  init(_ feed: UnsafeMutablePointer<Feed>) throws(KernelError) {
    let queued = try TrainList(capacity: Limits.trainCount)
    let inFlight = try TrainList(capacity: Limits.trainCount)
    unsafe self.feed = feed
    self.queued = queued
    self.inFlight = inFlight
  }

  var now: UInt64 { unsafe feed.pointee.now }

  /// The 4-tuple that a flow's segments have: a client address and port for each.
  static func key(_ flow: UInt32) -> FlowKey {
    FlowKey(
      remote: Address(ipv4: (0x0a00_0000 | flow / 50_000).bigEndian), local: serverAddress,
      remotePort: UInt16(1_024 + flow % 50_000), localPort: listenPort)
  }

  mutating func turn(
    _ pace: Pace, until deadline: UInt64, _ buffers: inout BufferPool, _ trains: inout TrainPool
  ) throws(KernelError) {
    Self.finish(&inFlight, &buffers, &trains)
    swap(&queued, &inFlight)
    left = unsafe min(Self.batch, feed.pointee.end - feed.pointee.position)
  }

  private static func finish(
    _ list: inout TrainList, _ buffers: inout BufferPool, _ trains: inout TrainPool
  ) {
    for position in 0..<list.count { trains.finish(list[position]) { buffers.release($0) } }
    list.removeAll()
  }

  mutating func flush(_ buffers: inout BufferPool, _ trains: inout TrainPool) {
    Self.finish(&inFlight, &buffers, &trains)
    Self.finish(&queued, &buffers, &trains)
  }

  mutating func nextArrival(_ buffers: inout BufferPool, _ trains: inout TrainPool) -> Arrival? {
    guard left > 0 else { return nil }
    left -= 1
    let flow = unsafe feed.pointee.order[feed.pointee.position]
    unsafe feed.pointee.position += 1
    switch unsafe feed.pointee.kind {
    case .opening:
      let buffer = buffers.take(.packet)!
      unsafe write(buffers.base(buffer), flow, acknowledgement: feed.pointee.cookies[Int(flow)], payload: 0)
      return .packet(PacketArrival(buffer: buffer, length: 12 + 40))
    case .segments:
      let buffer = buffers.take(.packet)!
      unsafe write(buffers.base(buffer), flow, acknowledgement: 1, payload: Self.payloadLength)
      return .packet(PacketArrival(buffer: buffer, length: 12 + 40 + Self.payloadLength))
    case .datagrams:
      let buffer = buffers.take(.datagram)!
      return .datagrams(
        DatagramArrival(
          buffer: buffer, flow: flow, generation: 1, offset: Limits.headroom, length: Self.payloadLength,
          partSize: Self.payloadLength, isTruncated: false, source: Endpoint(.unspecified, port: 0),
          local: .unspecified))
    }
  }

  /// As with io_uring, which has the completions in front of it.
  @inline(__always)
  var upcomingFlow: UInt32? {
    guard unsafe feed.pointee.kind == .datagrams, left > Limits.prefetchDistance else { return nil }
    return unsafe feed.pointee.order[feed.pointee.position &+ Int(Limits.prefetchDistance)]
  }

  /// vnet header (checksum vouched for), IPv4 and TCP header of a client's segment.
  private func write(
    _ base: UnsafeMutableRawPointer, _ flow: UInt32, acknowledgement: UInt32, payload: Int
  ) {
    let key = Self.key(flow)
    unsafe base.storeBytes(of: 2, as: UInt64.self)
    unsafe base.storeBytes(of: 0, toByteOffset: 8, as: UInt32.self)
    let ip = unsafe base + 12
    unsafe ip.storeBytes(of: UInt32(0x4500_0000 | 40 + payload).bigEndian, as: UInt32.self)
    unsafe ip.storeBytes(of: UInt32(0x0000_4000).bigEndian, toByteOffset: 4, as: UInt32.self)
    unsafe ip.storeBytes(of: UInt32(0x4006_0000).bigEndian, toByteOffset: 8, as: UInt32.self)
    unsafe ip.storeBytes(of: key.remote.ipv4, toByteOffset: 12, as: UInt32.self)
    unsafe ip.storeBytes(of: key.local.ipv4, toByteOffset: 16, as: UInt32.self)
    let tcp = unsafe ip + 20
    unsafe tcp.storeBytes(of: key.remotePort.bigEndian, as: UInt16.self)
    unsafe tcp.storeBytes(of: key.localPort.bigEndian, toByteOffset: 2, as: UInt16.self)
    unsafe tcp.storeBytes(of: feed.pointee.sequence.bigEndian, toByteOffset: 4, as: UInt32.self)
    unsafe tcp.storeBytes(of: acknowledgement.bigEndian, toByteOffset: 8, as: UInt32.self)
    unsafe tcp.storeBytes(of: UInt32(0x5010_ffff).bigEndian, toByteOffset: 12, as: UInt32.self)
    unsafe tcp.storeBytes(of: 0, toByteOffset: 16, as: UInt32.self)
  }

  mutating func writePacket(
    _ train: TrainID, _ vectors: UnsafeMutablePointer<iovec>, count: Int, _ trains: inout TrainPool
  ) { queued.append(train) }

  mutating func sendDatagrams(
    _ train: TrainID, _ message: UnsafeMutablePointer<msghdr>, flow: UInt32, _ trains: inout TrainPool
  ) { queued.append(train) }

  mutating func wake(_ worker: Int) {}
  mutating func openSocket(
    flow: UInt32, generation: UInt16, at local: Endpoint?
  ) throws(KernelError) -> Endpoint { Endpoint(.unspecified, port: 0) }

  mutating func release() {}
  mutating func closeSocket(flow: UInt32, generation: UInt16) {}
}
