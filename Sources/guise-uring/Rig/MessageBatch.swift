internal import CLiburing
internal import DataPlane
internal import Glibc

/// Equal datagrams that one sendmmsg(2) sends, or room for those that one recvmmsg(2) throws away.
final class MessageBatch {
  private let payload: Region
  private let vectors: Region
  private let messages: Region
  private let count: Int

  /// `length` bytes each; with 0, recvmmsg takes datagrams without copying them.
  init(count: Int, length: Int) throws {
    self.count = count
    payload = try Region(byteCount: length)
    vectors = try unsafe Region.array(of: iovec.self, count: count)
    messages = try unsafe Region.array(of: guise_mmsghdr.self, count: count)
    let vector = unsafe vectors.bound(to: iovec.self)
    let message = unsafe messages.bound(to: guise_mmsghdr.self)
    for index in 0..<count {
      unsafe vector[index] = iovec(iov_base: payload.base, iov_len: length)
      unsafe message[index].msg_hdr.msg_iov = vector + index
      unsafe message[index].msg_hdr.msg_iovlen = 1
    }
  }

  /// The bytes that every datagram carries.
  var content: UnsafeMutableRawPointer { unsafe payload.base }

  /// Sends `wanted` datagrams, at most the batch's; throws unless all go.
  func send(_ wanted: Int, to socket: Int32) throws {
    let sent = try KernelError.check(
      "sendmmsg", unsafe guise_sendmmsg(socket, messages.bound(to: guise_mmsghdr.self), UInt32(wanted), 0))
    guard Int(sent) == wanted else { throw KernelError("sendmmsg", errno: EAGAIN) }
  }

  /// Sends what the socket takes; returns how many datagrams that were.
  func sendSome(to socket: Int32) -> Int {
    let sent = unsafe guise_sendmmsg(socket, messages.bound(to: guise_mmsghdr.self), UInt32(count), 0)
    return max(0, Int(sent))
  }

  /// Empties the socket.
  func discard(from socket: Int32) {
    while unsafe guise_recvmmsg(
      socket, messages.bound(to: guise_mmsghdr.self), UInt32(count), Int32(MSG_DONTWAIT)) == Int32(count)
    {}
  }
}
