internal import Glibc

/// The UDP sockets of an engine by number: each flow's, and the listener behind them.
///
/// Owns the flows' descriptors. A flow's number is used again with another generation, which tells an
/// event of the old socket from one of the new.
@safe
struct SocketTable: ~Copyable {
  struct Entry: BitwiseCopyable {
    /// 0 where no socket is open: fresh memory is an empty table.
    private var descriptorPlusOne: Int32
    var generation: UInt16
    /// An error was pending: what comes behind it must be looked for until there is nothing more.
    var isSuspect: Bool

    init(descriptor: Int32, generation: UInt16) {
      descriptorPlusOne = descriptor + 1
      self.generation = generation
      isSuspect = false
    }

    var isOpen: Bool { descriptorPlusOne != 0 }
    var descriptor: Int32 { descriptorPlusOne &- 1 }
  }

  private let region: Region
  private let entries: UnsafeMutablePointer<Entry>
  /// The listener's number; flows have those below.
  let listener: Int
  var count: Int { listener + 1 }

  init(flowCountMax: Int, listener: Int32?) throws(KernelError) {
    let region = try Region.array(of: Entry.self, count: flowCountMax + 1)
    unsafe entries = region.bound(to: Entry.self)
    self.region = region
    self.listener = flowCountMax
    if let listener { self[flowCountMax] = Entry(descriptor: listener, generation: 0) }
  }

  deinit {
    for flow in 0..<listener {
      let entry = unsafe entries[flow]
      if entry.isOpen { Glibc.close(entry.descriptor) }
    }
  }

  @inline(__always)
  subscript(number: Int) -> Entry {
    get {
      precondition(number <= listener)
      return unsafe entries[number]
    }
    set {
      precondition(number <= listener)
      unsafe entries[number] = newValue
    }
  }

  /// The number that a flow, or `DatagramArrival.listener`, has here.
  @inline(__always)
  func number(of flow: UInt32) -> Int { flow == DatagramArrival.listener ? listener : Int(flow) }

  /// Closes a flow's socket, which also ends its being watched.
  mutating func close(flow: UInt32) {
    precondition(flow < listener)
    let entry = unsafe entries[Int(flow)]
    guard entry.isOpen else { return }
    Glibc.close(entry.descriptor)
    unsafe entries[Int(flow)] = Entry(descriptor: -1, generation: 0)
  }
}
