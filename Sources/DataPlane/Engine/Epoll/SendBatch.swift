internal import CLiburing
internal import Glibc

/// Messages that wait for being sent, in order; those that follow each other on one socket leave by one
/// sendmmsg(2).
@safe
struct SendBatch: ~Copyable {
  /// Most messages that wait at once.
  static let capacity = 64

  /// What one call came to: the messages from `first` on, `sentCount` of them sent. With an errno, none was
  /// sent and `first` is the one that was refused.
  struct Outcome: BitwiseCopyable {
    var first: Int
    var sentCount: Int
    var errno: Int32
  }

  /// A train that waits, and how many parts it has.
  struct Entry: BitwiseCopyable {
    var train: TrainID
    var parts: UInt16
  }

  private let region: Region
  private let messages: UnsafeMutablePointer<guise_mmsghdr>
  private let descriptors: UnsafeMutablePointer<Int32>
  private let entries: UnsafeMutablePointer<Entry>
  private(set) var count = 0
  private var next = 0

  init() throws(KernelError) {
    let count = Self.capacity
    let region = try unsafe Region(
      byteCount: count
        * (MemoryLayout<guise_mmsghdr>.stride + MemoryLayout<Int32>.stride + MemoryLayout<Entry>.stride))
    unsafe messages = region.base.bindMemory(to: guise_mmsghdr.self, capacity: count)
    unsafe descriptors = UnsafeMutableRawPointer(messages + count).bindMemory(to: Int32.self, capacity: count)
    unsafe entries = UnsafeMutableRawPointer(descriptors + count).bindMemory(to: Entry.self, capacity: count)
    self.region = region
  }

  var isFull: Bool { count == Self.capacity }

  /// Adds a message; what it points at must last until it has been sent.
  @inline(__always)
  mutating func append(_ entry: Entry, _ message: UnsafeMutablePointer<msghdr>, descriptor: Int32) {
    precondition(count < Self.capacity)
    unsafe messages[count].msg_hdr = message.pointee
    unsafe descriptors[count] = descriptor
    unsafe entries[count] = entry
    count &+= 1
  }

  @inline(__always)
  subscript(index: Int) -> Entry {
    precondition(index < count)
    return unsafe entries[index]
  }

  /// Sends the next run of messages of one socket; nil when nothing is left, and then the batch is empty.
  ///
  /// The kernel stops at the first message that it refuses and tells of it only when it is the first of a call.
  @inline(__always)
  mutating func sendNext() -> Outcome? {
    guard next < count else {
      next = 0
      count = 0
      return nil
    }
    let first = next
    let descriptor = unsafe descriptors[first]
    var end = first &+ 1
    while end < count, unsafe descriptors[end] == descriptor { end &+= 1 }
    let result = unsafe guise_sendmmsg(
      descriptor, messages + first, UInt32(end &- first), Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
    if result > 0 {
      next = first &+ Int(result)
      return Outcome(first: first, sentCount: Int(result), errno: 0)
    }
    if result == -EINTR { return Outcome(first: first, sentCount: 0, errno: 0) }
    next = first &+ 1
    return Outcome(first: first, sentCount: 0, errno: -result)
  }
}
