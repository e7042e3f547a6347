internal import CLiburing

/// A worker's flows: a slab of them, found by TCP key and, on the client, by UDP peer.
///
/// Fixed capacity; memory is touched as flows come, and may lie in a flow file (`FlowMemory`). An index stays
/// valid until its flow is removed.
/// Each flow begins a cache line, so that a packet touches no more of them than it must.
@safe
struct FlowTable: ~Copyable {
  private var memory: FlowMemory
  private let freeRegion: Region
  private let flows: UnsafeMutableRawPointer
  /// Slots that were used and are free again.
  private let free: UnsafeMutablePointer<UInt32>
  private var freeCount = 0
  /// Slots below this were used at least once.
  private(set) var usedCount: UInt32 = 0
  let capacity: Int
  /// Over all workers; nil for one alone.
  private let total: FlowTotal?
  /// From one flow to the next, in bytes.
  static let stride = (MemoryLayout<Flow>.stride + 63) & ~63

  private let hash: KeyHash
  private var byKey: KeyIndex
  private var byPeer: KeyIndex
  private let indexesPeers: Bool
  /// The flow that was last found by its peer, if it is still there.
  private var recent: UInt32 = 0
  private(set) var count = 0

  /// `indexesPeers`: whether flows are looked up by their UDP peer, too. `total`: what all workers' flows count to.
  init(
    capacity: Int, total: FlowTotal? = nil, hash: KeyHash, indexesPeers: Bool, in section: FlowSection? = nil
  ) throws(KernelError) {
    let memory = try FlowMemory(capacity: capacity, in: section)
    let freeRegion = try Region.array(of: UInt32.self, count: capacity)
    let byKey = try KeyIndex(capacity: capacity)
    let byPeer = try KeyIndex(capacity: indexesPeers ? capacity : 1)
    unsafe flows = memory.base
    unsafe free = freeRegion.bound(to: UInt32.self)
    self.memory = memory
    self.freeRegion = freeRegion
    self.byKey = byKey
    self.byPeer = byPeer
    self.indexesPeers = indexesPeers
    self.capacity = capacity
    self.total = total
    self.hash = hash
  }

  // Safety: who calls has checked that the index is below `capacity`. All zero bytes are a free flow.
  @inline(__always)
  private func place(_ index: UInt32) -> UnsafeMutablePointer<Flow> {
    unsafe (flows + Int(index) &* Self.stride).assumingMemoryBound(to: Flow.self)
  }

  /// The flow at an index that `find` or `insert` returned.
  @inline(__always)
  subscript(index: UInt32) -> Flow {
    _read {
      precondition(index < usedCount)
      yield unsafe place(index).pointee
    }
    _modify {
      precondition(index < usedCount)
      yield unsafe &place(index).pointee
    }
  }

  /// Begins to fetch what a datagram of this flow touches. Any number will do.
  @inline(__always)
  func prefetch(_ index: UInt32) {
    guard index < usedCount else { return }
    unsafe guise_prefetch(place(index))
  }

  /// Whether flows are so many that most are in no near cache.
  @inline(__always)
  var exceedCaches: Bool { count > Limits.cachedFlowCount }

  /// What a key is indexed by.
  @inline(__always)
  func tag(_ key: FlowKey) -> UInt32 { UInt32(truncatingIfNeeded: hash.hash(key)) }

  /// Begins to fetch what says where the flow with this tag is.
  @inline(__always)
  func prefetchEntry(_ tag: UInt32) { byKey.prefetch(tag) }

  /// Begins to fetch what a segment touches of the flow with this tag.
  @inline(__always)
  func prefetchFlow(_ tag: UInt32) {
    guard let index = byKey.candidate(tag) else { return }
    unsafe guise_prefetch(place(index))
    unsafe guise_prefetch(UnsafeMutableRawPointer(place(index)) + 64)
  }

  /// The flow with this TCP key.
  @inline(__always)
  func find(_ key: FlowKey) -> UInt32? { find(key, tag: tag(key)) }

  @inline(__always)
  func find(_ key: FlowKey, tag: UInt32) -> UInt32? {
    byKey.find(tag) { unsafe place($0).pointee.key == key }
  }

  /// The flow of this UDP peer and connection. Most datagrams come from whom the one before came from.
  @inline(__always)
  mutating func find(peer: FlowKey) -> UInt32? {
    if isOf(peer, recent) { return recent }
    guard let index = byPeer.find(tag(peer), where: { unsafe place($0).pointee.peer == peer }) else {
      return nil
    }
    recent = index
    return index
  }

  /// Whether a flow is there at this index and has this peer.
  @inline(__always)
  private func isOf(_ peer: FlowKey, _ index: UInt32) -> Bool {
    unsafe index < usedCount && place(index).pointee.peer == peer && place(index).pointee.state != .free
  }

  /// Whether there is no room for another flow, here or over all workers.
  var isFull: Bool { count == capacity || total?.isReached == true }

  /// The number of flows that is the limit now: this worker's, or that of all.
  var limit: Int { count == capacity ? capacity : total?.limit ?? capacity }

  /// Adds a flow whose key is not there yet; nil when there is no room.
  mutating func insert(key: FlowKey, peer: FlowKey, segmentBytesMax: Int, now: UInt64) -> UInt32? {
    guard count < capacity, total?.take() != false else { return nil }
    let index: UInt32
    if freeCount > 0 {
      freeCount -= 1
      index = unsafe free[freeCount]
    } else {
      index = usedCount
      if index == UInt32(memory.coveredCount) { memory.cover() }
      usedCount += 1
      memory.note(used: usedCount)
    }
    let generation = unsafe place(index).pointee.generation &+ 1
    unsafe place(index).pointee = Flow(
      key: key, peer: peer, generation: generation, segmentBytesMax: segmentBytesMax, now: now)
    byKey.insert(tag(key), index)
    indexPeer(of: index)
    count += 1
    return index
  }

  /// Why flows beyond those that are there now are not in the flow file; nil where they will be.
  var fileRefusal: KernelError? { memory.refusal }

  /// Gives a flow without UDP peer the one of a flow that is no longer there.
  mutating func assign(_ peer: FlowKey, to index: UInt32) {
    precondition(self[index].peer == .none)
    self[index].peer = peer
    self[index].sealIdentity()
    indexPeer(of: index)
  }

  private mutating func indexPeer(of index: UInt32) {
    let peer = unsafe place(index).pointee.peer
    if indexesPeers, peer != .none { byPeer.insert(tag(peer), index) }
  }

  /// Removes a flow; its index may be given to another.
  mutating func remove(_ index: UInt32) {
    let flow = self[index]
    byKey.remove(tag(flow.key), index)
    if indexesPeers, flow.peer != .none { byPeer.remove(tag(flow.peer), index) }
    unsafe place(index).pointee.state = .free
    unsafe place(index).pointee.seal = 0
    unsafe free[freeCount] = index
    freeCount += 1
    count -= 1
    total?.giveBack()
  }
}
