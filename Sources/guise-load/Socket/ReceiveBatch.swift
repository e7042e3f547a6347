internal import CLiburing
internal import Glibc
internal import LoadModel

/// Room for the messages of one recvmmsg(2): each a datagram, or with UDP_GRO several of equal size.
@safe
struct ReceiveBatch: ~Copyable {
  /// Messages a call takes at most.
  static let capacity = 64
  // 65 535 bytes fit; the odd lines behind them keep the buffers' beginnings out of the same cache set.
  static let bufferStride = 65_536 + 5 * 64
  private static let controlStride = 128
  private static let nameStride = MemoryLayout<sockaddr_in6>.size

  // Safety: `capacity` elements each, owned; message i points at element i of the others.
  let messages: UnsafeMutablePointer<guise_mmsghdr>
  private let vectors: UnsafeMutablePointer<iovec>
  private let buffers: UnsafeMutableRawPointer
  private let controls: UnsafeMutableRawPointer
  private let names: UnsafeMutableRawPointer

  init() {
    let count = Self.capacity
    unsafe messages = .allocate(capacity: count)
    unsafe vectors = .allocate(capacity: count)
    unsafe buffers = .allocate(byteCount: count * Self.bufferStride, alignment: 64)
    unsafe controls = .allocate(byteCount: count * Self.controlStride, alignment: 16)
    unsafe names = .allocate(byteCount: count * Self.nameStride, alignment: 8)
    for index in 0..<count {
      let buffer = unsafe buffers + index * Self.bufferStride
      unsafe (vectors + index).initialize(to: iovec(iov_base: buffer, iov_len: 65_535))
      unsafe (messages + index).initialize(to: guise_mmsghdr())
      unsafe messages[index].msg_hdr.msg_iov = vectors + index
      unsafe messages[index].msg_hdr.msg_iovlen = 1
      unsafe messages[index].msg_hdr.msg_control = controls + index * Self.controlStride
      unsafe messages[index].msg_hdr.msg_name = names + index * Self.nameStride
    }
  }

  deinit {
    unsafe messages.deallocate()
    unsafe vectors.deallocate()
    unsafe buffers.deallocate()
    unsafe controls.deallocate()
    unsafe names.deallocate()
  }

  /// Fills the batch; waits for the first message unless `isPatient` is false.
  ///
  /// Returns the number of messages, or -errno: -EAGAIN when none came within the socket's time-out.
  mutating func receive(from descriptor: Int32, isPatient: Bool) -> Int {
    for index in 0..<Self.capacity {
      unsafe messages[index].msg_hdr.msg_controllen = Self.controlStride
      unsafe messages[index].msg_hdr.msg_namelen = socklen_t(Self.nameStride)
    }
    let flags = isPatient ? Self.waitForOne : Int32(MSG_DONTWAIT)
    return unsafe Int(guise_recvmmsg(descriptor, messages, UInt32(Self.capacity), flags))
  }

  // MSG_WAITFORONE of recvmmsg(2), which is not imported.
  private static let waitForOne: Int32 = 0x10000

  /// The bytes of one received message.
  @_lifetime(borrow self)
  @inline(__always)
  func message(_ index: Int) -> RawSpan {
    // Safety: the kernel wrote `msg_len` bytes into buffer `index`, which lives as long as the batch.
    let span = unsafe RawSpan(
      _unsafeStart: buffers + index * Self.bufferStride, byteCount: Int(messages[index].msg_len))
    return unsafe _overrideLifetime(span, borrowing: self)
  }

  /// What came along with one received message.
  @inline(__always)
  func arrival(_ index: Int) -> guise_arrival {
    unsafe guise_read_control(messages[index].msg_hdr.msg_control, messages[index].msg_hdr.msg_controllen)
  }

  /// How long the datagrams in one message are (the last may be shorter): the message's own length when it is one.
  @inline(__always)
  func segmentSize(_ index: Int) -> Int {
    let size = unsafe messages[index].msg_hdr.msg_controllen == 0 ? 0 : Int(arrival(index).segment_size)
    return size > 0 ? size : unsafe Int(messages[index].msg_len)
  }

  /// How many datagrams one message holds.
  @inline(__always)
  func datagramCount(_ index: Int) -> Int {
    let size = segmentSize(index)
    return size == 0 ? 1 : unsafe (Int(messages[index].msg_len) + size - 1) / size
  }
}

extension RawSpan {
  /// Datagram `index` of a message whose datagrams are `size` bytes long.
  @_lifetime(copy self)
  @inline(__always)
  func datagram(_ index: Int, size: Int) -> RawSpan {
    // Safety: both ends are clamped to the span.
    let start = min(index * size, byteCount)
    return unsafe extracting(unchecked: start..<min(start + size, byteCount))
  }
}
