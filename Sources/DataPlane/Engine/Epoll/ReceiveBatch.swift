internal import CLiburing
internal import Glibc

/// Datagrams of one socket at a time, received by one recvmmsg(2) into buffers of the pool.
///
/// Slots are *stocked* with buffers, *filled* from the first on by `receive`, and *emptied* in order by
/// `nextArrival`. What a call did not fill stays stocked. Names and control areas lie beside the buffers, so
/// that the same few cache lines serve every datagram.
@safe
struct ReceiveBatch: ~Copyable {
  /// Most messages of one call.
  static let capacity = 128

  private let region: Region
  private let messages: UnsafeMutablePointer<guise_mmsghdr>
  private let vectors: UnsafeMutablePointer<iovec>
  private let buffers: UnsafeMutablePointer<BufferID>
  private let nameRoom: Int

  /// Slots below `emptied` are without a buffer, those from there to below `stocked` have one.
  private var stocked = 0
  private var emptied = 0
  private var filled = 0
  private var budget = BufferBudget()
  private var flow: UInt32 = 0
  private var generation: UInt16 = 0

  /// `hasNames`: whether senders are of interest, as with a socket that is not connected.
  init(hasNames: Bool) throws(KernelError) {
    let count = Self.capacity
    let nameRoom = hasNames ? Limits.nameRoom : 0
    let frontRoom = nameRoom + Limits.controlRoom
    let region = try unsafe Region(
      byteCount: count
        * (MemoryLayout<guise_mmsghdr>.stride + MemoryLayout<iovec>.stride + frontRoom
          + MemoryLayout<BufferID>.stride))
    unsafe messages = region.base.bindMemory(to: guise_mmsghdr.self, capacity: count)
    unsafe vectors = UnsafeMutableRawPointer(messages + count).bindMemory(to: iovec.self, capacity: count)
    let fronts = unsafe UnsafeMutableRawPointer(vectors + count)
    unsafe buffers = (fronts + count * frontRoom).bindMemory(to: BufferID.self, capacity: count)
    for slot in 0..<count {
      let front = unsafe fronts + slot * frontRoom
      var header = unsafe msghdr()
      if hasNames { unsafe header.msg_name = front }
      unsafe header.msg_control = front + nameRoom
      unsafe header.msg_iov = vectors + slot
      unsafe header.msg_iovlen = 1
      unsafe messages[slot] = guise_mmsghdr(msg_hdr: header, msg_len: 0)
      unsafe vectors[slot].iov_len = Limits.bufferStride - Limits.headroom
    }
    self.region = region
    self.nameRoom = nameRoom
  }

  /// Whether slots have buffers left.
  @inline(__always)
  var hasStock: Bool { stocked > emptied }

  /// Gives every empty slot a buffer, as far as there are any; returns how many messages to ask for.
  @inline(__always)
  mutating func stock(from pool: inout BufferPool) -> Int {
    precondition(emptied == filled, "arrivals are taken before more are received")
    filled = 0
    while emptied > 0 {
      if let buffer = pool.take(.datagram) {
        put(buffer, emptied &- 1, pool)
      } else if stocked > emptied {
        // No more to be had: close the gap with the last.
        stocked &-= 1
        put(unsafe buffers[stocked], emptied &- 1, pool)
      } else {
        stocked = 0
        emptied = 0
        return 0
      }
      emptied &-= 1
    }
    while stocked < Self.capacity, let buffer = pool.take(.datagram) {
      put(buffer, stocked, pool)
      stocked &+= 1
    }
    return min(stocked, budget.count(depth: 1))
  }

  @inline(__always)
  private func put(_ buffer: BufferID, _ slot: Int, _ pool: borrowing BufferPool) {
    unsafe messages[slot].msg_hdr.msg_namelen = UInt32(nameRoom)
    unsafe messages[slot].msg_hdr.msg_controllen = Limits.controlRoom
    unsafe vectors[slot].iov_base = pool.base(buffer) + Limits.headroom
    unsafe buffers[slot] = buffer
  }

  /// Receives what is there, at most `count`, no more than are stocked; returns how many came, or -errno.
  @inline(__always)
  mutating func receive(_ descriptor: Int32, count: Int, flow: UInt32, generation: UInt16) -> Int {
    let result = unsafe Int(guise_recvmmsg(descriptor, messages, UInt32(count), Int32(MSG_DONTWAIT)))
    filled = max(result, 0)
    self.flow = flow
    self.generation = generation
    return result
  }

  /// The next datagram, or train of them, with its buffer; nil when all have been taken.
  @inline(__always)
  mutating func nextArrival() -> DatagramArrival? {
    guard emptied < filled else { return nil }
    let slot = emptied
    emptied &+= 1
    // Safety: the kernel has written the message, its name and its control area.
    let message = unsafe messages + slot
    let length = Int(unsafe message.pointee.msg_len)
    budget.note(length)
    var source = Endpoint(.unspecified, port: 0)
    if nameRoom > 0, let name = unsafe message.pointee.msg_hdr.msg_name {
      source = unsafe SocketAddress.read(name, length: Int(message.pointee.msg_hdr.msg_namelen)) ?? source
    }
    var size = 0
    var local = Address.unspecified
    if unsafe message.pointee.msg_hdr.msg_controllen > 0 {
      let control = unsafe guise_read_control(
        message.pointee.msg_hdr.msg_control, message.pointee.msg_hdr.msg_controllen)
      size = Int(control.segment_size)
      if nameRoom > 0 { local = SocketAddress.localAddress(control) ?? local }
    }
    return DatagramArrival(
      buffer: unsafe buffers[slot], flow: flow, generation: generation, offset: Limits.headroom,
      length: length, partSize: size > 0 && size < length ? size : length,
      isTruncated: unsafe message.pointee.msg_hdr.msg_flags & Int32(MSG_TRUNC) != 0, source: source,
      local: local)
  }
}
