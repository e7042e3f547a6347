/// Sockets that may have something to receive, first in, first out, each at most once.
@safe
struct ReadyRing: ~Copyable {
  private let ringRegion: Region
  private let ring: UnsafeMutablePointer<UInt32>
  private let listedRegion: Region
  private let listed: UnsafeMutablePointer<Bool>
  private let capacity: Int
  private var head = 0
  private(set) var count = 0

  /// For sockets 0..<capacity.
  init(capacity: Int) throws(KernelError) {
    let ringRegion = try Region.array(of: UInt32.self, count: capacity)
    let listedRegion = try Region.array(of: Bool.self, count: capacity)
    unsafe ring = ringRegion.bound(to: UInt32.self)
    unsafe listed = listedRegion.bound(to: Bool.self)
    self.ringRegion = ringRegion
    self.listedRegion = listedRegion
    self.capacity = capacity
  }

  /// Puts a socket at the end, unless it is listed already: then it keeps its place.
  @inline(__always)
  mutating func insert(_ socket: Int) {
    precondition(socket < capacity)
    guard unsafe !listed[socket] else { return }
    unsafe listed[socket] = true
    let position = head &+ count
    unsafe ring[position < capacity ? position : position &- capacity] = UInt32(socket)
    count &+= 1
  }

  /// Takes the oldest; there must be one.
  @inline(__always)
  mutating func popFirst() -> Int {
    precondition(count > 0)
    let socket = Int(unsafe ring[head])
    unsafe listed[socket] = false
    head = head &+ 1 == capacity ? 0 : head &+ 1
    count &-= 1
    return socket
  }
}
