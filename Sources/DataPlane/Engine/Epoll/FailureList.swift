/// A train that the kernel refused.
struct TransmitFailure: BitwiseCopyable {
  /// nil once the train had to be finished.
  var train: TrainID?
  var outlet: Outlet
  var errno: Int32
  var parts: Int
}

/// Refusals that the worker has not heard of yet, first in, first out.
@safe
struct FailureList: ~Copyable {
  private let region: Region
  private let items: UnsafeMutablePointer<TransmitFailure>
  private let capacity: Int
  private var head = 0
  private(set) var count = 0

  init(capacity: Int) throws(KernelError) {
    let region = try Region.array(of: TransmitFailure.self, count: capacity)
    unsafe items = region.bound(to: TransmitFailure.self)
    self.region = region
    self.capacity = capacity
  }

  var isFull: Bool { count == capacity }

  mutating func append(_ failure: TransmitFailure) {
    precondition(count < capacity)
    unsafe items[(head + count) % capacity] = failure
    count += 1
  }

  mutating func popFirst() -> TransmitFailure? {
    guard count > 0 else { return nil }
    defer {
      head = (head + 1) % capacity
      count -= 1
    }
    return unsafe items[head]
  }

  /// Takes the train out of one entry, oldest first; nil when it had been taken out before.
  mutating func takeTrain(at index: Int) -> TrainID? {
    precondition(index < count)
    defer { unsafe items[(head + index) % capacity].train = nil }
    return unsafe items[(head + index) % capacity].train
  }
}
