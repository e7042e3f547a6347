internal import Glibc

/// One or more equal datagrams of one sender, in one buffer.
struct DatagramArrival: BitwiseCopyable {
  /// Held once for whoever takes the arrival.
  var buffer: BufferID
  /// Server: the flow whose socket it came to, and that flow's generation then. Client: `listener`.
  var flow: UInt32
  var generation: UInt16
  /// Where the payload starts in the buffer; at least `Limits.headroom` bytes in front are free.
  var offset: Int
  var length: Int
  /// Bytes of each datagram but the last (UDP_GRO); equal to `length` for a single one.
  var partSize: Int
  var isTruncated: Bool
  /// Client: who sent it, and to which of our addresses (unspecified when the socket has just one).
  var source: Endpoint
  var local: Address

  static let listener = UInt32.max

  @inline(__always)
  var datagramCount: Int { length == 0 ? 1 : (length &+ partSize &- 1) / partSize }
}

/// A packet, or super-packet, read from the TUN queue: vnet header first.
struct PacketArrival: BitwiseCopyable {
  /// Held once for whoever takes the arrival.
  var buffer: BufferID
  var length: Int
}

/// Which way a train goes.
enum Direction: BitwiseCopyable {
  /// To TUN, as segments.
  case uplink
  /// To a UDP socket, as datagrams.
  case downlink
}

/// What a turn brought.
enum Arrival: BitwiseCopyable {
  case datagrams(DatagramArrival)
  case packet(PacketArrival)
  /// The kernel refused a train of so many parts. It is still there, with its buffers, until the next turn; nil
  /// when it had to be finished before the refusal was read.
  case transmitFailed(TrainID?, Direction, errno: Int32, parts: Int)
  /// Another worker, or whoever stops the gateway, asked for attention.
  case woken
}

/// What a worker asks of the kernel: receive, read, write, send, wait.
///
/// A worker is generic over its engine: io_uring, epoll, or the simulator of the tests. The engine owns
/// descriptors and system calls; buffers and trains belong to the worker and are lent for a call.
/// Errors of single packets come as arrivals; only what ends the worker is thrown.
protocol Engine: ~Copyable {
  /// CLOCK_MONOTONIC when the last turn ended, in nanoseconds.
  var now: UInt64 { get }

  /// Sends off everything queued and waits until something arrives or `deadline` has passed.
  ///
  /// At a resting pace it rests first, whatever arrives. It does not when half of the interval has been worked
  /// through, nor where a receive stopped with more behind it, nor, with io_uring, after a rest in which nothing came
  /// (`Bursts`); and when something comes only after a pause it lets that collect for a moment. At a lingering pace the
  /// deadline does not matter, since it takes what is there and returns. At a polling pace it gives way to other
  /// threads between two looks.
  /// Trains that the previous turn sent off are finished, and free buffers are lent for receiving. It may
  /// end early and empty-handed. Throws EBADFD once the TUN device is gone.
  mutating func turn(
    _ pace: Pace, until deadline: UInt64, _ buffers: inout BufferPool, _ trains: inout TrainPool
  ) throws(KernelError)

  /// Has turns take so many times as much as usual before they are over.
  mutating func setDepth(_ factor: Int)

  /// How long the last turn has looked at a polling pace, in nanoseconds; 0 when it has not.
  var polled: UInt64 { get }

  /// The next arrival of this turn; nil when all have been taken.
  mutating func nextArrival(_ buffers: inout BufferPool, _ trains: inout TrainPool) -> Arrival?

  /// Begins to fetch what the kernel has written in front of one of the next few arrivals, where the engine need not
  /// look for it. Returns the flow of a datagram, whose memory can be fetched meanwhile, too.
  func prefetchUpcoming(_ buffers: borrowing BufferPool) -> UInt32?

  /// Queues a packet for TUN. Order is kept. The train is finished by a later turn.
  mutating func writePacket(
    _ train: TrainID, _ vectors: UnsafeMutablePointer<iovec>, count: Int, _ trains: inout TrainPool)

  /// Queues datagrams for the UDP socket of `flow` (server) or the listener (client).
  mutating func sendDatagrams(
    _ train: TrainID, _ message: UnsafeMutablePointer<msghdr>, flow: UInt32, _ trains: inout TrainPool)

  /// Sends off everything queued and finishes it, to have trains again. Does not wait.
  mutating func flush(_ buffers: inout BufferPool, _ trains: inout TrainPool)

  /// Wakes another worker, by the start of the next turn at the latest. For a whole batch, not for a packet.
  mutating func wake(_ worker: Int)

  /// Opens the UDP socket of a server's flow, connected to the service; `local` is where to, if that matters.
  /// Returns where it is.
  mutating func openSocket(
    flow: UInt32, generation: UInt16, at local: Endpoint?
  ) throws(KernelError) -> Endpoint

  /// Closes it. What it still brings carries the old generation.
  mutating func closeSocket(flow: UInt32, generation: UInt16)

  /// Sees to it that sockets that were closed have let go of their ports.
  mutating func settle()

  /// Lets go of every descriptor, so that another process may have what they stand for. The last call.
  mutating func release()
}

extension Engine where Self: ~Copyable {
  @inline(__always)
  func prefetchUpcoming(_ buffers: borrowing BufferPool) -> UInt32? { nil }

  var polled: UInt64 { 0 }

  mutating func setDepth(_ factor: Int) {}

  mutating func settle() {}
}

/// What an engine is made of.
struct EngineResources: Sendable {
  /// A queue of the TUN device and, on the client, a bound UDP socket: owned by the gateway.
  var tunQueue: Int32
  var listener: Int32?
  /// Which worker this is, and how workers are woken.
  var worker: Int
  var switchboard: Switchboard
  /// Server: where each flow's socket is connected to, and from which address.
  var service: Endpoint?
  /// Server: the addresses that these leave from in turn, beginning with one of them; empty: the route's.
  var sources: [Address] = []
  var firstSource = 0
  var offload: Bool
  /// Most flows of this worker.
  var flowCountMax: Int

  /// Becomes readable when another thread wants attention.
  var wakeDescriptor: Int32 { switchboard.wakeDescriptor(of: worker) }

  /// Server: what opens its flows' sockets.
  var flowSockets: FlowSockets? {
    guard let service else { return nil }
    return FlowSockets(service: service, sources: sources, first: firstSource, offload: offload)
  }
}
