/// Trains in the order in which they were queued; last in, first out.
@safe
struct TrainList: ~Copyable {
  private let region: Region
  private let items: UnsafeMutablePointer<TrainID>
  private let capacity: Int
  private(set) var count = 0

  init(capacity: Int) throws(KernelError) {
    let region = try Region.array(of: TrainID.self, count: capacity)
    unsafe items = region.bound(to: TrainID.self)
    self.region = region
    self.capacity = capacity
  }

  @inline(__always)
  mutating func append(_ train: TrainID) {
    precondition(count < capacity)
    unsafe items[count] = train
    count &+= 1
  }

  @inline(__always)
  mutating func popLast() -> TrainID? {
    guard count > 0 else { return nil }
    count &-= 1
    return unsafe items[count]
  }

  @inline(__always)
  subscript(index: Int) -> TrainID {
    precondition(index < count)
    return unsafe items[index]
  }

  mutating func removeAll() { count = 0 }
}
