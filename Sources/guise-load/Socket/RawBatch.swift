internal import CLiburing
internal import Glibc
internal import LoadModel

/// IPv4 packets with headers of their own for one sendmmsg(2) on a raw socket (raw(7), IP_HDRINCL).
@safe
struct RawBatch: ~Copyable {
  static let capacity = 64
  private static let packetStride = 256
  private static let ipprotoRaw: Int32 = 255

  private(set) var count = 0
  private let descriptor: Int32

  // Safety: owned; `capacity` of each, and as many stretches of `packetStride` bytes.
  private let messages: UnsafeMutablePointer<guise_mmsghdr>
  private let vectors: UnsafeMutablePointer<iovec>
  private let names: UnsafeMutablePointer<sockaddr_in>
  private let packets: UnsafeMutableRawPointer

  init() throws(LoadFailure) {
    descriptor = socket(AF_INET, Int32(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue), Self.ipprotoRaw)
    guard descriptor >= 0 else {
      throw LoadFailure(
        "socket(SOCK_RAW)", errno: errno, remedy: errno == EPERM ? "run as root, or with CAP_NET_RAW" : nil)
    }
    unsafe messages = .allocate(capacity: Self.capacity)
    unsafe vectors = .allocate(capacity: Self.capacity)
    unsafe names = .allocate(capacity: Self.capacity)
    unsafe packets = .allocate(byteCount: Self.capacity * Self.packetStride, alignment: 16)
    unsafe messages.initialize(repeating: guise_mmsghdr(), count: Self.capacity)
    unsafe vectors.initialize(repeating: iovec(), count: Self.capacity)
    unsafe names.initialize(repeating: sockaddr_in(), count: Self.capacity)
    for index in 0..<Self.capacity {
      unsafe vectors[index].iov_base = packets + index * Self.packetStride
      unsafe names[index].sin_family = sa_family_t(AF_INET)
      unsafe messages[index].msg_hdr.msg_iov = vectors + index
      unsafe messages[index].msg_hdr.msg_iovlen = 1
      unsafe messages[index].msg_hdr.msg_name = UnsafeMutableRawPointer(names + index)
      unsafe messages[index].msg_hdr.msg_namelen = socklen_t(MemoryLayout<sockaddr_in>.size)
    }
  }

  deinit {
    close(descriptor)
    unsafe messages.deallocate()
    unsafe vectors.deallocate()
    unsafe names.deallocate()
    unsafe packets.deallocate()
  }

  var isFull: Bool { count == Self.capacity }

  mutating func removeAll() { count = 0 }

  /// Appends a packet, from its IP header on; `destination` is where its route leads, in host order.
  mutating func append(_ packet: [UInt8], to destination: UInt32) {
    precondition(count < Self.capacity && packet.count <= Self.packetStride)
    unsafe vectors[count].iov_base.copyMemory(from: packet, byteCount: packet.count)
    unsafe vectors[count].iov_len = packet.count
    unsafe names[count].sin_addr.s_addr = destination.bigEndian
    count += 1
  }

  /// Hands the packets from `first` on to the kernel; returns how many it took, or -errno.
  mutating func send(from first: Int) -> Int {
    precondition(first <= count)
    return unsafe Int(guise_sendmmsg(descriptor, messages + first, UInt32(count - first), 0))
  }
}
