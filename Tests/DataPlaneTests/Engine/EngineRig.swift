import CLiburing
import Glibc

@testable import DataPlane

/// An engine of either kind with the pools that a worker would lend it. Stays on the thread that made it.
class EngineRig {
  let surroundings: EngineSurroundings
  var buffers: BufferPool
  var trains: TrainPool

  static func make(
    _ kind: EngineKind, _ role: Role, flowCountMax: Int = 16, tunQueue: Int32? = nil, listener: Int32? = nil,
    switchboard: Switchboard? = nil
  ) throws -> EngineRig {
    let surroundings = try EngineSurroundings(
      role, flowCountMax: flowCountMax, tunQueue: tunQueue, listener: listener, switchboard: switchboard)
    switch kind {
    case .uring: return try UringRig(surroundings, engine: UringEngine(surroundings.resources))
    case .epoll: return try EngineRigOf(surroundings, engine: EpollEngine(surroundings.resources))
    }
  }

  fileprivate init(_ surroundings: EngineSurroundings) throws {
    self.surroundings = surroundings
    buffers = try BufferPool(pendingPayloadMax: 1_500)
    trains = try TrainPool(capacity: Limits.trainCount)
  }

  // The engine's requests.

  func turn(_ pace: Pace = .prompt, until deadline: UInt64) throws(KernelError) {}
  func nextArrival() -> Arrival? { nil }
  func write(_ train: TrainID) {}
  func send(_ train: TrainID, flow: UInt32) {}
  func flush() {}
  func wake(_ worker: Int) {}
  @discardableResult
  func open(flow: UInt32, generation: UInt16, at local: Endpoint? = nil) throws(KernelError) -> Endpoint {
    Endpoint(.unspecified, port: 0)
  }
  func release() {}
  func close(flow: UInt32, generation: UInt16) {}
  var now: UInt64 { 0 }
  var polled: UInt64 { 0 }
  /// How many entries a ring was given so far; nil where there is none.
  var entryCount: Int? { nil }
}

private final class UringRig: EngineRigOf<UringEngine> {
  override var entryCount: Int? { unsafe Int(engine.ring.ring.pointee.sq.sqe_tail) }
}

private class EngineRigOf<E: Engine & ~Copyable>: EngineRig {
  fileprivate var engine: E

  init(_ surroundings: EngineSurroundings, engine: consuming E) throws {
    self.engine = engine
    try super.init(surroundings)
  }

  override func turn(_ pace: Pace, until deadline: UInt64) throws(KernelError) {
    try engine.turn(pace, until: deadline, &buffers, &trains)
  }
  override func nextArrival() -> Arrival? { engine.nextArrival(&buffers, &trains) }
  override func write(_ train: TrainID) {
    // Safety: the gather list and the message lie in the pool, which outlives the call.
    let message = unsafe trains.message(train)
    unsafe engine.writePacket(
      train, message.pointee.msg_iov, count: Int(message.pointee.msg_iovlen), &trains)
  }
  override func send(_ train: TrainID, flow: UInt32) {
    let isListener = flow == DatagramArrival.listener
    let message = unsafe trains.message(train, to: isListener ? surroundings.peerEndpoint : nil)
    unsafe engine.sendDatagrams(train, message, flow: flow, &trains)
  }
  override func flush() { engine.flush(&buffers, &trains) }
  override func wake(_ worker: Int) { engine.wake(worker) }
  override func open(flow: UInt32, generation: UInt16, at local: Endpoint?) throws(KernelError) -> Endpoint {
    try engine.openSocket(flow: flow, generation: generation, at: local)
  }
  override func release() { engine.release() }
  override func close(flow: UInt32, generation: UInt16) {
    engine.closeSocket(flow: flow, generation: generation)
  }
  override var now: UInt64 { engine.now }
  override var polled: UInt64 { engine.polled }
}

extension EngineRig {
  /// What a test wants to know of an arrival.
  struct Received: Equatable {
    var bytes: [UInt8]
    var partSize = 0
    var flow: UInt32 = 0
    var generation: UInt16 = 0
    var source = Endpoint(.unspecified, port: 0)
  }

  /// All that has arrived when nothing more comes for a while, with the buffers given back.
  func arrivals(patience milliseconds: Int = 20, until isEnough: ([Arrival]) -> Bool = { _ in false })
    throws -> [Arrival]
  {
    var all: [Arrival] = []
    while true {
      try turn(until: guise_now() + UInt64(milliseconds) * 1_000_000)
      var isQuiet = true
      while let arrival = nextArrival() {
        isQuiet = false
        all.append(arrival)
      }
      if isQuiet || isEnough(all) { return all }
    }
  }

  /// Everything that comes until it is quiet, as packets and datagrams with their bytes.
  func receiveAll() throws -> (packets: [[UInt8]], datagrams: [Received], others: [Arrival]) {
    var packets: [[UInt8]] = []
    var datagrams: [Received] = []
    var others: [Arrival] = []
    var isQuiet = false
    while !isQuiet {
      try turn(until: guise_now() + 20_000_000)
      isQuiet = true
      while let arrival = nextArrival() {
        isQuiet = false
        switch arrival {
        case .packet(let packet): packets.append(take(packet))
        case .datagrams(let datagram): datagrams.append(take(datagram))
        default: others.append(arrival)
        }
      }
    }
    return (packets, datagrams, others)
  }

  func take(_ packet: PacketArrival) -> [UInt8] {
    defer { buffers.release(packet.buffer) }
    return unsafe Array(UnsafeRawBufferPointer(start: buffers.base(packet.buffer), count: packet.length))
  }

  func take(_ datagrams: DatagramArrival) -> Received {
    defer { buffers.release(datagrams.buffer) }
    precondition(datagrams.offset >= Limits.headroom && !datagrams.isTruncated)
    let start = unsafe buffers.base(datagrams.buffer) + datagrams.offset
    return Received(
      bytes: unsafe Array(UnsafeRawBufferPointer(start: start, count: datagrams.length)),
      partSize: datagrams.partSize, flow: datagrams.flow, generation: datagrams.generation,
      source: datagrams.source)
  }

  /// A train of these parts, equal but for the last, in one buffer; nil when the pools are used up.
  func train(_ parts: [[UInt8]]) -> TrainID? {
    guard let buffer = buffers.take(.pending), let id = trains.open(flow: 0) else { return nil }
    var offset = Limits.headroom
    for part in parts {
      let address = unsafe buffers.base(buffer) + offset
      unsafe address.copyMemory(from: part, byteCount: part.count)
      buffers.retain(buffer)
      unsafe trains.append(
        id, buffer: buffer, at: address, length: part.count, size: part.count, headroom: false)
      offset += part.count
    }
    buffers.release(buffer)
    return id
  }

  /// A train of one part, the packet itself; takes over the arrival's hold of the buffer.
  func train(_ packet: PacketArrival) -> TrainID? {
    guard let id = trains.open(flow: 0) else { return nil }
    unsafe trains.append(
      id, buffer: packet.buffer, at: buffers.base(packet.buffer), length: packet.length, size: packet.length,
      headroom: false)
    return id
  }

  /// A train of one part that lies outside the pool's buffers, and so may be of any length.
  func longTrain(_ memory: UnsafeMutableRawPointer, length: Int) -> TrainID? {
    guard let buffer = buffers.take(.pending), let id = trains.open(flow: 0) else { return nil }
    unsafe trains.append(id, buffer: buffer, at: memory, length: length, size: length, headroom: false)
    return id
  }

  /// Two bytes that tell datagrams apart.
  static func number(_ value: Int) -> [UInt8] { [UInt8(value >> 8 & 255), UInt8(value & 255)] }
}
