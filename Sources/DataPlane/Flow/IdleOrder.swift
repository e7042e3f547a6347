/// A worker's flows in the order in which they fell silent, as far as anybody has looked: whose turn it is to go
/// when there is no room (docs/decisions/0046-floods.md).
///
/// Packets do not touch it. Each flow is looked at when a deadline of it passes, every 17 s at the latest
/// (`TimerWheel`), and goes to the end if it has spoken since. So those in front are the longest silent, give
/// or take that time. All of it is O(1).
@safe
struct IdleOrder: ~Copyable {
  private struct Node: BitwiseCopyable {
    /// Index + 1, so that zeroed memory is a node of no list.
    var next: UInt32
    var previous: UInt32
    /// When its flow had spoken last, when it was last looked at, and one more; CLOCK_MONOTONIC, nanoseconds.
    /// 0 when it is not in the list.
    var activity: UInt64
  }

  /// Memory that each flow takes, in bytes.
  static let bytesPerFlow = MemoryLayout<Node>.stride

  private let region: Region
  private let nodes: UnsafeMutablePointer<Node>
  private let capacity: Int
  /// Index + 1 of the longest silent, and of the last to have spoken.
  private var head: UInt32 = 0
  private var tail: UInt32 = 0

  init(capacity: Int) throws(KernelError) {
    let region = try Region.array(of: Node.self, count: capacity)
    unsafe nodes = region.bound(to: Node.self)
    self.region = region
    self.capacity = capacity
  }

  /// The flow that has been silent longest; nil when there are none.
  var first: UInt32? { head == 0 ? nil : head - 1 }

  private mutating func append(_ index: UInt32, activity: UInt64) {
    // Safety: an index is below the capacity, and links hold only indices that passed here.
    unsafe nodes[Int(index)] = Node(next: 0, previous: tail, activity: activity &+ 1)
    if tail == 0 { head = index + 1 } else { unsafe nodes[Int(tail - 1)].next = index + 1 }
    tail = index + 1
  }

  /// Takes a flow out, if it is there.
  mutating func remove(_ index: UInt32) {
    precondition(Int(index) < capacity)
    let node = unsafe nodes[Int(index)]
    guard node.activity != 0 else { return }
    if node.previous == 0 { head = node.next } else { unsafe nodes[Int(node.previous - 1)].next = node.next }
    if node.next == 0 {
      tail = node.previous
    } else {
      unsafe nodes[Int(node.next - 1)].previous = node.previous
    }
    unsafe nodes[Int(index)] = Node(next: 0, previous: 0, activity: 0)
  }

  /// Says when a flow last spoke. Whether that was after it was last looked at, if it ever was: then it goes to
  /// the end.
  @discardableResult
  mutating func note(_ index: UInt32, activity: UInt64) -> Bool {
    precondition(Int(index) < capacity)
    guard unsafe nodes[Int(index)].activity != activity &+ 1 else { return false }
    remove(index)
    append(index, activity: activity)
    return true
  }
}
