internal import Glibc
internal import Synchronization

/// How many flows each source address has, over all workers of a server: enough of it to hold each to a limit.
///
/// Two rows of counters; an address adds to one of each, by a keyed hash, and has at most the lesser of both
/// (Cormode and Muthukrishnan, 2005). Two addresses are taken for one only where they meet in both rows. With
/// eight counters for each flow of a full table, 1 address in 70 meets others in that way; only a limit that is
/// no more than what they have together would show it.
///
/// Made before the workers start and freed after they have ended. A trivial handle.
@safe
struct SourceCounts: @unchecked Sendable {
  private let counters: UnsafeMutablePointer<Atomic<UInt32>>
  private let rowCount: Int
  private let hash: KeyHash
  /// Flows that one address may have.
  let limit: Int

  init(limit: Int, flowCountMax: Int, hash: KeyHash) throws(KernelError) {
    var rowCount = 1_024
    while rowCount < 8 * flowCountMax { rowCount *= 2 }
    self.rowCount = rowCount
    self.limit = limit
    self.hash = hash
    // Zeroed, and untouched until counted in.
    let stride = MemoryLayout<Atomic<UInt32>>.stride
    guard let memory = unsafe calloc(2 * rowCount, stride) else { throw KernelError("calloc", errno: errno) }
    unsafe counters = memory.bindMemory(to: Atomic<UInt32>.self, capacity: 2 * rowCount)
  }

  func deallocate() { unsafe free(counters) }

  /// Counts one more flow of an address; false where it has as many as it may.
  func add(_ address: Address) -> Bool {
    let (first, second) = places(address)
    // Workers may add at the same moment: each adds first, and looks then.
    let a = unsafe counters[first].add(1, ordering: .relaxed).newValue
    let b = unsafe counters[second].add(1, ordering: .relaxed).newValue
    guard min(a, b) > UInt32(clamping: limit) else { return true }
    remove(address)
    return false
  }

  /// Counts a flow of an address that was counted no more.
  func remove(_ address: Address) {
    let (first, second) = places(address)
    unsafe counters[first].subtract(1, ordering: .relaxed)
    unsafe counters[second].subtract(1, ordering: .relaxed)
  }

  /// Whoever has an IPv6 address has the 2^64 of its network (RFC 4291 §2.5.4), which counts as one.
  private func places(_ address: Address) -> (Int, Int) {
    let source = address.isIPv4 ? address : Address(high: address.high, low: 0)
    let value = hash.hash(FlowKey(remote: source, local: .unspecified, remotePort: 0, localPort: 0))
    return (Int(value >> 32) & (rowCount - 1), rowCount + Int(value & UInt64(rowCount - 1)))
  }
}
