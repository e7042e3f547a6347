internal import CLiburing
internal import Glibc

/// How multishot recvmsg fills a buffer: `io_uring_recvmsg_out`, the sender's name, the control area, the payload
/// (io_uring_prep_recvmsg_multishot(3)).
///
/// All receives have `Limits.headroom` bytes in front of the payload. A connected socket of a flow has no use for
/// the name, whose room goes to the control area.
@safe
struct ReceiveShapes: ~Copyable {
  private let memory: Region
  private let listener: UnsafeMutablePointer<msghdr>
  private let flow: UnsafeMutablePointer<msghdr>

  /// `io_uring_recvmsg_out` is this large.
  private static let outSize = 16

  init() throws(KernelError) {
    let memory = try unsafe Region.array(of: msghdr.self, count: 2)
    unsafe listener = memory.bound(to: msghdr.self)
    unsafe flow = listener + 1
    unsafe listener.pointee = msghdr()
    unsafe listener.pointee.msg_namelen = UInt32(Limits.nameRoom)
    unsafe listener.pointee.msg_controllen = Limits.controlRoom
    unsafe flow.pointee = msghdr()
    unsafe flow.pointee.msg_controllen = Limits.controlRoom + Limits.nameRoom
    self.memory = memory
  }

  /// What a receive is armed with; stays where it is.
  func message(of index: UInt32) -> UnsafeMutablePointer<msghdr> {
    unsafe index == DatagramArrival.listener ? listener : flow
  }

  /// What a receive of `size` bytes, headroom included, has left in a buffer.
  @inline(__always)
  static func arrival(
    at base: UnsafeMutableRawPointer, size: Int, buffer: BufferID, _ token: Token
  ) -> DatagramArrival {
    // Safety: the kernel has written io_uring_recvmsg_out and the areas shaped above into the buffer.
    let out = unsafe base.load(as: io_uring_recvmsg_out.self)
    let name = unsafe base + outSize
    let isListener = token.index == DatagramArrival.listener
    let nameRoom = isListener ? Limits.nameRoom : 0
    let control = unsafe guise_read_control(name + nameRoom, Int(out.controllen))
    let length = size &- Limits.headroom
    var source = Endpoint(.unspecified, port: 0)
    if isListener { source = unsafe SocketAddress.read(name, length: Int(out.namelen)) ?? source }
    let part = Int(control.segment_size)
    return DatagramArrival(
      buffer: buffer, flow: token.index, generation: token.generation, offset: Limits.headroom,
      length: length, partSize: part > 0 && part < length ? part : length,
      isTruncated: out.flags & UInt32(MSG_TRUNC) != 0, source: source,
      local: isListener ? SocketAddress.localAddress(control) ?? .unspecified : .unspecified)
  }
}
