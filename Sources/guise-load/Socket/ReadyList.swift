internal import CLiburing
internal import Glibc

/// Tells which of many sockets have something to read, at a cost that does not grow with their number
/// (epoll(7)). One thread.
struct ReadyList: ~Copyable {
  private let descriptor: Int32
  private var events: [UInt8]
  private static let countMax = 512

  /// Sockets are told by their places among these.
  init(_ sockets: [DatagramSocket]) throws(LoadFailure) {
    let descriptor = guise_epoll_create()
    guard descriptor >= 0 else { throw LoadFailure("epoll_create1", errno: -descriptor) }
    for (place, socket) in sockets.enumerated() {
      let result = guise_epoll_add(descriptor, socket.descriptor, guise_epoll_in, UInt64(place))
      guard result == 0 else {
        close(descriptor)
        throw LoadFailure("epoll_ctl", errno: -result)
      }
    }
    self.descriptor = descriptor
    events = [UInt8](repeating: 0, count: Self.countMax * guise_epoll_event_size)
  }

  deinit { close(descriptor) }

  /// Waits for the next, `milliseconds` at most, and calls `body` with each that is ready.
  mutating func wait(
    milliseconds: Int32, _ body: (Int) throws(LoadFailure) -> Void
  ) throws(LoadFailure) {
    let count = unsafe guise_epoll_wait(descriptor, &events, Int32(Self.countMax), milliseconds)
    guard count >= 0 || count == -EINTR else { throw LoadFailure("epoll_wait", errno: -count) }
    for event in 0..<max(Int(count), 0) {
      let place = unsafe events.withUnsafeBytes { unsafe guise_epoll_token($0.baseAddress!, event) }
      try body(Int(place))
    }
  }
}
