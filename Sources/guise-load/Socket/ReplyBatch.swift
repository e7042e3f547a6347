internal import CLiburing
internal import Glibc
internal import LoadModel

/// Messages that send a received batch back, straight from the buffers it was received into.
@safe
struct ReplyBatch: ~Copyable {
  private static let controlStride = 128

  // Safety: `ReceiveBatch.capacity` elements each, owned.
  private let messages: UnsafeMutablePointer<guise_mmsghdr>
  private let vectors: UnsafeMutablePointer<iovec>
  private let controls: UnsafeMutableRawPointer

  init() {
    let count = ReceiveBatch.capacity
    unsafe messages = .allocate(capacity: count)
    unsafe vectors = .allocate(capacity: count)
    unsafe controls = .allocate(byteCount: count * Self.controlStride, alignment: 16)
    unsafe messages.initialize(repeating: guise_mmsghdr(), count: count)
    unsafe vectors.initialize(repeating: iovec(), count: count)
  }

  deinit {
    unsafe messages.deallocate()
    unsafe vectors.deallocate()
    unsafe controls.deallocate()
  }

  /// Addresses the first `count` received messages to their senders. The batch must outlive the sending.
  mutating func answer(_ batch: borrowing ReceiveBatch, count: Int) {
    precondition(count <= ReceiveBatch.capacity)
    for index in 0..<count {
      let received = unsafe batch.messages[index].msg_hdr
      unsafe vectors[index] = iovec(
        iov_base: received.msg_iov.pointee.iov_base, iov_len: Int(batch.messages[index].msg_len))
      unsafe messages[index].msg_hdr.msg_iov = vectors + index
      unsafe messages[index].msg_hdr.msg_iovlen = 1
      unsafe messages[index].msg_hdr.msg_name = received.msg_name
      unsafe messages[index].msg_hdr.msg_namelen = received.msg_namelen
      let control = unsafe controls + index * Self.controlStride
      let arrival = batch.arrival(index)
      var length = unsafe Self.putSource(arrival, at: control)
      if batch.datagramCount(index) > 1 {
        length = unsafe guise_put_segment_size(control, length, arrival.segment_size)
      }
      unsafe messages[index].msg_hdr.msg_control = length > 0 ? control : nil
      unsafe messages[index].msg_hdr.msg_controllen = length
    }
  }

  /// Hands messages on to the kernel; returns how many it took, or -errno.
  mutating func send(_ range: Range<Int>, on descriptor: Int32) -> Int {
    unsafe Int(guise_sendmmsg(descriptor, messages + range.lowerBound, UInt32(range.count), 0))
  }

  /// Sends the datagrams of message `index` one by one; returns how many the kernel took.
  mutating func sendSingly(_ index: Int, of batch: borrowing ReceiveBatch, on descriptor: Int32) -> Int {
    let control = unsafe controls + index * Self.controlStride
    let length = unsafe Self.putSource(batch.arrival(index), at: control)
    unsafe messages[index].msg_hdr.msg_controllen = length
    let size = batch.segmentSize(index)
    let total = batch.message(index).byteCount
    let base = unsafe batch.messages[index].msg_hdr.msg_iov.pointee.iov_base
    var taken = 0
    for start in stride(from: 0, to: total, by: size) {
      // Safety: start < total, the message's length.
      unsafe vectors[index] = iovec(
        iov_base: base.map { unsafe $0 + start }, iov_len: min(size, total - start))
      if send(index..<(index + 1), on: descriptor) == 1 { taken += 1 }
    }
    return taken
  }

  /// Writes the address that a datagram came to as the one its answer leaves from; returns the length.
  private static func putSource(_ arrival: guise_arrival, at control: UnsafeMutableRawPointer) -> Int {
    let address = arrival.local_address
    return unsafe withUnsafeBytes(of: address) { bytes in
      let start = unsafe bytes.assumingMemoryBound(to: UInt8.self).baseAddress
      switch Int32(arrival.local_family) {
      case AF_INET: return unsafe guise_put_source4(control, 0, start)
      case AF_INET6:
        // fe80::/10 means nothing without its interface; elsewhere the routing table decides.
        let isLinkLocal = address.0 == 0xfe && address.1 & 0xc0 == 0x80
        return unsafe guise_put_source6(control, 0, start, isLinkLocal ? arrival.interface_index : 0)
      default: return 0
      }
    }
  }
}
