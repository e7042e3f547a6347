/// Segments that were read and are put off until a few are there, so that what they need of memory is fetched for
/// all of them at once. Only with so many flows that caches do not hold them.
///
/// A segment then misses twice: its entry in the index says where its flow is, and only after that can the flow
/// be fetched. A batch asks for all entries as it fills, then for all flows, and then deals with its segments
/// in the order in which they came.
@safe
struct SegmentBatch: ~Copyable {
  struct Entry: BitwiseCopyable {
    var segment: Segment
    var arrival: PacketArrival
    /// What the segment's key is indexed by.
    var tag: UInt32
  }

  private let region: Region
  private let entries: UnsafeMutablePointer<Entry>
  private(set) var count = 0

  init() throws(KernelError) {
    let region = try Region.array(of: Entry.self, count: Limits.segmentBatchCount)
    unsafe entries = region.bound(to: Entry.self)
    self.region = region
  }

  var isFull: Bool {
    @inline(__always) get { count == Limits.segmentBatchCount }
  }

  @inline(__always)
  mutating func append(_ entry: Entry) {
    precondition(!isFull)
    unsafe entries[count] = entry
    count &+= 1
  }

  @inline(__always)
  subscript(index: Int) -> Entry {
    precondition(index < count)
    return unsafe entries[index]
  }

  @inline(__always)
  mutating func removeAll() { count = 0 }
}
