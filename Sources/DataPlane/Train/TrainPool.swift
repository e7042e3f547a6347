internal import CLiburing
internal import Glibc

/// A worker's trains with all that a system call needs to be told of them: gather list, message, control
/// area, name, and room for headers that have no headroom.
///
/// A train is *opened*, gets pieces, is handed to the engine, and is *finished* when the kernel is done with
/// it. Last finished is first opened, so that few of them are touched.
@safe
struct TrainPool: ~Copyable {
  private let region: Region
  private let trains: UnsafeMutablePointer<Train>
  private let slots: UnsafeMutablePointer<Slot>
  private let vectors: UnsafeMutablePointer<iovec>
  private let pieces: UnsafeMutablePointer<BufferID>
  private let stack: UnsafeMutablePointer<TrainID>
  private(set) var freeCount: Int
  let capacity: Int

  /// Entry 0 of a gather list is for headers outside the buffers.
  private static let vectorsPerTrain = Limits.trainSegmentsMax + 1

  /// What is handed to the kernel by address.
  @safe
  private struct Slot {
    var message: msghdr
    /// vnet + IP + TCP header, when they cannot be built in place.
    var header: InlineArray<80, UInt8>
    var control: InlineArray<64, UInt8>
    var name: InlineArray<32, UInt8>
  }

  init(capacity: Int) throws(KernelError) {
    let size =
      MemoryLayout<Train>.stride + MemoryLayout<Slot>.stride
      + Self.vectorsPerTrain * (unsafe MemoryLayout<iovec>.stride)
      + Limits.trainSegmentsMax * MemoryLayout<BufferID>.stride + MemoryLayout<TrainID>.stride
    region = try Region(byteCount: capacity * size + 256)
    var memory = unsafe region.base
    unsafe trains = Self.carve(&memory, capacity)
    unsafe slots = Self.carve(&memory, capacity)
    unsafe vectors = Self.carve(&memory, capacity * Self.vectorsPerTrain)
    unsafe pieces = Self.carve(&memory, capacity * Limits.trainSegmentsMax)
    unsafe stack = Self.carve(&memory, capacity)
    for index in 0..<capacity { unsafe stack[index] = TrainID(capacity - 1 - index) }
    freeCount = capacity
    self.capacity = capacity
  }

  private static func carve<T>(_ memory: inout UnsafeMutableRawPointer, _ count: Int) -> UnsafeMutablePointer<
    T
  > {
    let part = unsafe memory.alignedUp(for: T.self).bindMemory(to: T.self, capacity: count)
    unsafe memory = UnsafeMutableRawPointer(part + count)
    return unsafe part
  }

  /// An empty train of this flow; nil when all are in flight.
  @inline(__always)
  mutating func open(
    flow: UInt32, generation flowGeneration: UInt16 = 0, sequence: SequenceNumber = SequenceNumber(0)
  ) -> TrainID? {
    guard freeCount > 0 else { return nil }
    freeCount &-= 1
    let id = unsafe stack[freeCount]
    let generation = unsafe trains[Int(id)].generation &+ 1
    unsafe trains[Int(id)] = Train(
      flow: flow, generation: generation, flowGeneration: flowGeneration, sequence: sequence)
    return id
  }

  /// Gives the train back and its buffers their holds.
  @inline(__always)
  mutating func finish(_ id: TrainID, release: (BufferID) -> Void) {
    let count = unsafe trains[Int(id)].pieceCount
    for index in 0..<count { release(unsafe pieces[Int(id) &* Limits.trainSegmentsMax &+ index]) }
    // A completion that comes for it from now on is stale.
    unsafe trains[Int(id)].generation &+= 1
    unsafe stack[freeCount] = id
    freeCount &+= 1
  }

  @inline(__always)
  subscript(id: TrainID) -> Train {
    get { unsafe trains[Int(id)] }
    set { unsafe trains[Int(id)] = newValue }
  }

  /// Adds a stretch of memory that `room` has granted; the caller has retained the buffer for it.
  @inline(__always)
  mutating func append(
    _ id: TrainID, buffer: BufferID, at address: UnsafeMutableRawPointer, length: Int, size: Int,
    headroom: Bool
  ) {
    let index = unsafe trains[Int(id)].pieceCount
    precondition(index < Limits.trainSegmentsMax)
    // Safety: index is below the pieces of one train, checked above; vector 0 is left free.
    unsafe vectors[Int(id) &* Self.vectorsPerTrain &+ index &+ 1] = iovec(iov_base: address, iov_len: length)
    unsafe pieces[Int(id) &* Limits.trainSegmentsMax &+ index] = buffer
    if index == 0 { unsafe trains[Int(id)].hasHeadroom = headroom }
    unsafe trains[Int(id)].note(length, size: size)
  }

  /// One stretch of a train, for sending it again another way.
  func piece(_ id: TrainID, _ index: Int) -> (buffer: BufferID, vector: iovec) {
    unsafe (
      pieces[Int(id) * Limits.trainSegmentsMax + index], vectors[Int(id) * Self.vectorsPerTrain + index + 1]
    )
  }

  /// Writes the headers, in place in front of the first piece if it has the room, and returns the gather list.
  @inline(__always)
  mutating func prependHeader(_ id: TrainID, _ header: SegmentHeader) -> (
    UnsafeMutablePointer<iovec>, count: Int
  ) {
    let train = unsafe trains[Int(id)]
    let list = unsafe vectors + Int(id) &* Self.vectorsPerTrain
    let length = header.length
    if train.hasHeadroom, train.pieceCount > 0 {
      // Safety: a piece with headroom has `Limits.headroom` bytes of its own buffer in front.
      let front = unsafe list[1].iov_base.unsafelyUnwrapped - length
      unsafe Self.write(header, at: front, length)
      unsafe list[1] = iovec(iov_base: front, iov_len: list[1].iov_len &+ length)
      return unsafe (list + 1, train.pieceCount)
    }
    let front = unsafe UnsafeMutableRawPointer(slots + Int(id)) + MemoryLayout<Slot>.offset(of: \.header)!
    unsafe Self.write(header, at: front, length)
    unsafe list[0] = iovec(iov_base: front, iov_len: length)
    return unsafe (list, train.pieceCount &+ 1)
  }

  @inline(__always)
  private static func write(_ header: SegmentHeader, at front: UnsafeMutableRawPointer, _ length: Int) {
    var span = unsafe MutableRawSpan(_unsafeStart: front, byteCount: length)
    header.write(into: &span)
  }

  /// The message for sendmsg(2): the train's parts, cut by the kernel when there are several.
  ///
  /// `destination` and `source` are for unconnected sockets. The pointer holds until the train is finished.
  @inline(__always)
  mutating func message(_ id: TrainID, to destination: Endpoint? = nil, from source: Address? = nil)
    -> UnsafeMutablePointer<msghdr>
  {
    let train = unsafe trains[Int(id)]
    let slot = unsafe UnsafeMutableRawPointer(slots + Int(id))
    let control = unsafe slot + MemoryLayout<Slot>.offset(of: \.control)!
    let name = unsafe slot + MemoryLayout<Slot>.offset(of: \.name)!
    var controlLength = 0
    if train.partCount > 1 {
      controlLength = unsafe guise_put_segment_size(control, 0, UInt16(train.partSize))
    }
    if let source {
      controlLength = unsafe SocketAddress.putSource(source, into: control, at: controlLength)
    }
    var message = unsafe msghdr()
    if let destination {
      unsafe message.msg_name = name
      unsafe message.msg_namelen = SocketAddress.write(destination, to: name)
    }
    unsafe message.msg_iov = vectors + Int(id) &* Self.vectorsPerTrain + 1
    unsafe message.msg_iovlen = train.pieceCount
    if controlLength > 0 {
      unsafe message.msg_control = control
      unsafe message.msg_controllen = controlLength
    }
    unsafe slots[Int(id)].message = message
    return unsafe slot.assumingMemoryBound(to: msghdr.self)
  }
}
