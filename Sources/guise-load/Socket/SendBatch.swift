internal import CLiburing
internal import Glibc
internal import LoadModel

/// The messages of one sendmmsg(2): each a datagram, or a train of equal ones that the kernel cuts (UDP_SEGMENT).
///
/// Heads are written here, bodies are left where they are: two I/O vectors a datagram.
@safe
struct SendBatch: ~Copyable {
  /// Datagrams that the kernel takes in one message (UDP_MAX_SEGMENTS before Linux 6.9).
  static let segmentCountMax = 64
  private static let controlStride = 32

  private(set) var count = 0
  private let capacity: Int
  private let segmentCapacity: Int
  private let content = DatagramContent()

  // Safety: owned. `capacity` messages and control areas; `capacity * segmentCapacity` heads, and two
  // vectors for each. `datagrams` and `sizes` say how many each message has, and of which length.
  private let messages: UnsafeMutablePointer<guise_mmsghdr>
  private let vectors: UnsafeMutablePointer<iovec>
  private let heads: UnsafeMutableRawPointer
  private let controls: UnsafeMutableRawPointer
  private let datagrams: UnsafeMutablePointer<Int>
  private let sizes: UnsafeMutablePointer<Int>

  /// Room for `capacity` messages of up to `segmentCapacity` datagrams.
  init(capacity: Int, segmentCapacity: Int) {
    self.capacity = capacity
    self.segmentCapacity = segmentCapacity
    let total = capacity * segmentCapacity
    unsafe messages = .allocate(capacity: capacity)
    unsafe vectors = .allocate(capacity: 2 * total)
    unsafe heads = .allocate(byteCount: total * DatagramHead.byteCount, alignment: 8)
    unsafe controls = .allocate(byteCount: capacity * Self.controlStride, alignment: 16)
    unsafe datagrams = .allocate(capacity: capacity)
    unsafe sizes = .allocate(capacity: capacity)
    unsafe vectors.initialize(repeating: iovec(), count: 2 * total)
    unsafe datagrams.initialize(repeating: 0, count: capacity)
    unsafe sizes.initialize(repeating: 0, count: capacity)
    for index in 0..<capacity {
      unsafe (messages + index).initialize(to: guise_mmsghdr())
      unsafe messages[index].msg_hdr.msg_iov = vectors + 2 * index * segmentCapacity
    }
  }

  deinit {
    unsafe messages.deallocate()
    unsafe vectors.deallocate()
    unsafe heads.deallocate()
    unsafe controls.deallocate()
    unsafe datagrams.deallocate()
    unsafe sizes.deallocate()
  }

  var isFull: Bool { count == capacity }

  mutating func removeAll() { count = 0 }

  /// How many datagrams message `index` carries, and of which length.
  func contents(_ index: Int) -> (count: Int, size: Int) {
    precondition(index < count)
    return unsafe (datagrams[index], sizes[index])
  }

  /// Appends a message of `segments` datagrams, the first of which is `first`; the others count on from it.
  mutating func append(_ first: DatagramHead, segments: Int) {
    precondition(count < capacity && segments >= 1 && segments <= segmentCapacity)
    var head = first
    let base = count * segmentCapacity
    for slot in base..<(base + segments) {
      // Safety: slot < capacity * segmentCapacity by the precondition.
      let target = unsafe heads + slot * DatagramHead.byteCount
      let (headCount, body) = unsafe content.lay(head, at: target)
      unsafe vectors[2 * slot] = iovec(iov_base: target, iov_len: headCount)
      unsafe vectors[2 * slot + 1] = iovec(
        iov_base: UnsafeMutableRawPointer(mutating: body), iov_len: Int(head.length) - headCount)
      head.sequence += 1
    }
    unsafe messages[count].msg_hdr.msg_iovlen = 2 * segments
    setSegmentSize(segments > 1 ? first.length : 0)
    unsafe datagrams[count] = segments
    unsafe sizes[count] = Int(first.length)
    count += 1
  }

  private mutating func setSegmentSize(_ size: UInt16) {
    guard size > 0 else {
      unsafe messages[count].msg_hdr.msg_control = nil
      unsafe messages[count].msg_hdr.msg_controllen = 0
      return
    }
    let control = unsafe controls + count * Self.controlStride
    unsafe messages[count].msg_hdr.msg_control = control
    unsafe messages[count].msg_hdr.msg_controllen = guise_put_segment_size(control, 0, size)
  }

  /// Hands the messages from `first` on to the kernel; returns how many it took, or -errno.
  mutating func send(from first: Int, on descriptor: Int32) -> Int {
    precondition(first <= count)
    return unsafe Int(guise_sendmmsg(descriptor, messages + first, UInt32(count - first), 0))
  }
}
