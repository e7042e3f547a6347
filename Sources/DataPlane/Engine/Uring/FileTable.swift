/// Where a ring's file table has what: the TUN queue, the listener, the wake descriptor, and the flows' sockets.
///
/// The descriptors themselves are the ring's (`Ring.setFile`). A flow's slot is used again with another generation,
/// which tells a receive of the old socket from one of the new.
@safe
struct FileTable: ~Copyable {
  static let tun: Int32 = 0
  static let listener: Int32 = 1
  static let wake: Int32 = 2
  static let firstFlow: Int32 = 3

  /// Slots that the ring has.
  let count: Int
  private let region: Region
  /// generation + 1 of the flow whose socket is open in each place, 0 where none is: fresh memory is an empty table. The
  /// highest bit says that its receive has ended. The last place is the listener's.
  private let generations: UnsafeMutablePointer<UInt32>
  private let flowCountMax: Int
  private static let hasEnded: UInt32 = 1 << 31

  /// `hasFlowSockets`: false where all flows share the listener, as a client's do.
  init(flowCountMax: Int, hasFlowSockets: Bool) throws(KernelError) {
    let region = try Region.array(of: UInt32.self, count: flowCountMax + 1)
    unsafe generations = region.bound(to: UInt32.self)
    self.region = region
    self.flowCountMax = flowCountMax
    count = Int(Self.firstFlow) + (hasFlowSockets ? flowCountMax : 0)
  }

  /// The slot that a flow, or `DatagramArrival.listener`, has here.
  @inline(__always)
  static func slot(of flow: UInt32) -> Int32 {
    flow == DatagramArrival.listener ? listener : firstFlow + Int32(flow)
  }

  /// Places, of flows and of the listener: 0..<placeCount.
  var placeCount: Int { flowCountMax + 1 }

  private func place(_ flow: UInt32) -> Int {
    if flow == DatagramArrival.listener { return flowCountMax }
    precondition(flow < flowCountMax)
    return Int(flow)
  }

  /// Whether the socket that a receive was for is still the one in its slot.
  func isOpen(_ flow: UInt32, generation: UInt16) -> Bool {
    unsafe generations[place(flow)] & ~Self.hasEnded == UInt32(generation) + 1
  }

  mutating func noteOpened(_ flow: UInt32, generation: UInt16) {
    unsafe generations[place(flow)] = UInt32(generation) + 1
  }

  mutating func noteClosed(_ flow: UInt32) { unsafe generations[place(flow)] = 0 }

  /// The receive of an open socket has ended. Its place.
  mutating func noteEnded(_ flow: UInt32) -> Int {
    let place = place(flow)
    // No compound assignment: Swift 6.3.1's thread sanitizer emits invalid code for it.
    let entry = unsafe generations[place]
    unsafe generations[place] = entry | Self.hasEnded
    return place
  }

  /// The receive that is to be armed again at a place; nil where the socket has been closed since.
  mutating func takeEnded(_ place: Int) -> Token? {
    precondition(place <= flowCountMax)
    let entry = unsafe generations[place]
    guard entry & Self.hasEnded != 0 else { return nil }
    let generation = entry & ~Self.hasEnded
    unsafe generations[place] = generation
    let flow = place == flowCountMax ? DatagramArrival.listener : UInt32(place)
    return Token(.receive, index: flow, generation: UInt16(generation - 1))
  }
}
