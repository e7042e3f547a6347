import Glibc

@testable import DataPlane

/// What a worker with a simulated engine sends and receives: plain values instead of a kernel.
final class SimulatedKernel {
  enum Input {
    /// Client: from an application. Server: from the service, to a flow's socket.
    case datagrams([UInt8], partSize: Int, source: Endpoint, flow: UInt32, generation: UInt16)
    /// vnet header and packet.
    case packet([UInt8])
    /// Another worker's wake-up.
    case woken
  }

  struct Delivery: Equatable {
    var payload: [UInt8]
    /// Client: the application. Server: nil.
    var destination: Endpoint?
    var flow: UInt32
  }

  var now: UInt64 = 1_000_000_000
  var inputs: [Input] = []
  var packets: [[UInt8]] = []
  var deliveries: [Delivery] = []
  /// Server: open sockets, flow -> generation.
  var sockets: [UInt32: UInt16] = [:]
  /// Server: where each flow's socket is.
  var socketPlaces: [UInt32: Endpoint] = [:]
  /// Server: ports that somebody else has.
  var takenPorts: Set<UInt16> = []
  /// Whether the engine has let go of its descriptors.
  var isReleased = false
  /// Makes the next writes or sends fail with this errno, once each.
  var writeFailures: [Int32] = []
  var sendFailures: [Int32] = []
  var socketFailures: [Int32] = []
  /// What happens besides, by chance.
  var faults: KernelFaults?
  /// How the worker has waited, turn by turn.
  var paces: [Pace] = []
  /// Whom the worker has woken, one by one.
  var woken: [Int] = []
  /// Most inputs that one turn hands over.
  var batchMax = 64

  fileprivate func takeWriteFailure() -> Int32? { writeFailures.popLast() ?? faults?.drawWriteError() }
  fileprivate func takeSendFailure() -> Int32? { sendFailures.popLast() ?? faults?.drawSendError() }
  fileprivate func takeSocketFailure() -> Int32? { socketFailures.popLast() ?? faults?.drawSocketError() }
}

/// An engine that stands in for the kernel. Deterministic: what happens is up to whoever feeds it.
struct SimulatedEngine: Engine, ~Copyable {
  let kernel: SimulatedKernel
  private var queued: [TrainID] = []
  private var inFlight: [TrainID] = []
  private var failures: [TransmitFailure] = []
  /// The refused train that the worker is dealing with.
  private var refused: TrainID?
  private var remaining = 0
  /// Whether refusals stay in the overflow of the completion queue in this turn.
  private var isOverflowing = false

  init(_ kernel: SimulatedKernel) { self.kernel = kernel }

  var now: UInt64 { kernel.now }

  mutating func turn(
    _ pace: Pace, until deadline: UInt64, _ buffers: inout BufferPool, _ trains: inout TrainPool
  ) throws(KernelError) {
    kernel.paces.append(pace)
    refused = nil
    finish(inFlight, &buffers, &trains)
    inFlight = queued
    queued = []
    let isDry = kernel.faults?.drawDryTurn() ?? false
    remaining = isDry ? 0 : min(kernel.inputs.count, kernel.batchMax)
    isOverflowing = kernel.faults?.drawOverflow() ?? false
  }

  private mutating func finish(
    _ list: [TrainID], _ buffers: inout BufferPool, _ trains: inout TrainPool
  ) {
    for train in list {
      trains.finish(train) { buffers.release($0) }
      for index in failures.indices where failures[index].train == train { failures[index].train = nil }
    }
  }

  mutating func flush(_ buffers: inout BufferPool, _ trains: inout TrainPool) {
    finish((inFlight + queued).filter { $0 != refused }, &buffers, &trains)
    inFlight = refused.map { [$0] } ?? []
    queued = []
  }

  mutating func nextArrival(_ buffers: inout BufferPool, _ trains: inout TrainPool) -> Arrival? {
    if !isOverflowing, let failure = failures.popLast() {
      refused = failure.train
      return .transmitFailed(failure.train, failure.direction, errno: failure.errno, parts: failure.parts)
    }
    while remaining > 0, !kernel.inputs.isEmpty {
      switch kernel.inputs[0] {
      case .woken:
        take()
        return .woken
      case .packet(let bytes):
        guard let buffer = buffers.take(.packet) else { return nil }
        take()
        let length = kernel.faults?.drawLength(of: bytes.count) ?? bytes.count
        unsafe buffers.base(buffer).copyMemory(from: bytes, byteCount: length)
        return .packet(PacketArrival(buffer: buffer, length: length))
      case .datagrams(let bytes, let partSize, let source, let flow, let generation):
        guard let buffer = buffers.take(.datagram) else { return nil }
        take()
        let length = kernel.faults?.drawLength(of: bytes.count) ?? bytes.count
        unsafe (buffers.base(buffer) + Limits.headroom).copyMemory(from: bytes, byteCount: length)
        return .datagrams(
          DatagramArrival(
            buffer: buffer, flow: flow, generation: generation, offset: Limits.headroom, length: length,
            partSize: partSize, isTruncated: length < bytes.count, source: source, local: .unspecified))
      }
    }
    return nil
  }

  private mutating func take() {
    kernel.inputs.removeFirst()
    remaining -= 1
  }

  mutating func writePacket(
    _ train: TrainID, _ vectors: UnsafeMutablePointer<iovec>, count: Int, _ trains: inout TrainPool
  ) {
    queued.append(train)
    if let errno = kernel.takeWriteFailure(), errno != 0 { return fail(train, .uplink, errno, trains) }
    kernel.packets.append(unsafe Self.join(vectors, count))
  }

  mutating func sendDatagrams(
    _ train: TrainID, _ message: UnsafeMutablePointer<msghdr>, flow: UInt32, _ trains: inout TrainPool
  ) {
    queued.append(train)
    if let errno = kernel.takeSendFailure(), errno != 0 { return fail(train, .downlink, errno, trains) }
    let bytes = unsafe Self.join(message.pointee.msg_iov, message.pointee.msg_iovlen)
    var destination: Endpoint?
    if let name = unsafe message.pointee.msg_name {
      destination = unsafe SocketAddress.read(name, length: Int(message.pointee.msg_namelen))
    }
    let size = unsafe Self.segmentSize(message.pointee) ?? bytes.count
    var rest = bytes[...]
    while !rest.isEmpty {
      kernel.deliveries.append(
        .init(payload: Array(rest.prefix(size)), destination: destination, flow: flow))
      rest = rest.dropFirst(size)
    }
  }

  private mutating func fail(
    _ train: TrainID, _ direction: Direction, _ errno: Int32, _ trains: borrowing TrainPool
  ) {
    failures.append(
      TransmitFailure(train: train, direction: direction, errno: errno, parts: trains[train].partCount))
  }

  mutating func wake(_ worker: Int) { kernel.woken.append(worker) }

  mutating func openSocket(
    flow: UInt32, generation: UInt16, at local: Endpoint?
  ) throws(KernelError) -> Endpoint {
    if let errno = kernel.takeSocketFailure(), errno != 0 { throw KernelError("socket", errno: errno) }
    if let local, kernel.takenPorts.contains(local.port) { throw KernelError("bind", errno: EADDRINUSE) }
    kernel.sockets[flow] = generation
    let place = local ?? Endpoint(Address("127.0.0.1")!, port: UInt16(40_000 + kernel.socketPlaces.count))
    kernel.socketPlaces[flow] = place
    return place
  }

  mutating func release() { kernel.isReleased = true }

  mutating func closeSocket(flow: UInt32, generation: UInt16) {
    precondition(kernel.sockets.removeValue(forKey: flow) == generation)
  }

  private static func join(_ vectors: UnsafeMutablePointer<iovec>, _ count: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    for index in 0..<count {
      let vector = unsafe vectors[index]
      unsafe bytes += UnsafeRawBufferPointer(start: vector.iov_base, count: vector.iov_len)
    }
    return bytes
  }

  /// The UDP_SEGMENT control message.
  private static func segmentSize(_ message: msghdr) -> Int? {
    guard let control = unsafe message.msg_control, unsafe message.msg_controllen >= 18 else { return nil }
    let level = unsafe control.load(fromByteOffset: 8, as: Int32.self)
    let type = unsafe control.load(fromByteOffset: 12, as: Int32.self)
    guard level == 17, type == 103 else { return nil }
    return Int(unsafe control.load(fromByteOffset: 16, as: UInt16.self))
  }
}
