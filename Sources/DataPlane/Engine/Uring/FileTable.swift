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
  /// generation + 1 of the flow whose socket is open in each slot, 0 where none is: fresh memory is an empty table.
  private let generations: UnsafeMutablePointer<UInt32>
  private let flowCountMax: Int

  /// `hasFlowSockets`: false where all flows share the listener, as a client's do.
  init(flowCountMax: Int, hasFlowSockets: Bool) throws(KernelError) {
    let region = try Region.array(of: UInt32.self, count: flowCountMax)
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

  /// Whether the socket that a receive was for is still the one in its slot.
  func isOpen(_ flow: UInt32, generation: UInt16) -> Bool {
    if flow == DatagramArrival.listener { return true }
    precondition(flow < flowCountMax)
    return unsafe generations[Int(flow)] == UInt32(generation) + 1
  }

  mutating func noteOpened(_ flow: UInt32, generation: UInt16) {
    precondition(flow < flowCountMax)
    unsafe generations[Int(flow)] = UInt32(generation) + 1
  }

  mutating func noteClosed(_ flow: UInt32) {
    precondition(flow < flowCountMax)
    unsafe generations[Int(flow)] = 0
  }
}
