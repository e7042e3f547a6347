/// A queue that never grows, first in, first out.
@safe
struct BoundedQueue<Element: BitwiseCopyable>: ~Copyable {
  private let region: Region
  private let items: UnsafeMutablePointer<Element>
  private let capacity: Int
  private var head = 0
  private(set) var count = 0

  init(capacity: Int) throws(KernelError) {
    let region = try Region.array(of: Element.self, count: capacity)
    unsafe items = region.bound(to: Element.self)
    self.region = region
    self.capacity = capacity
  }

  var isFull: Bool { count == capacity }

  mutating func append(_ element: Element) {
    precondition(count < capacity)
    unsafe items[(head + count) % capacity] = element
    count += 1
  }

  mutating func popFirst() -> Element? {
    guard count > 0 else { return nil }
    defer {
      head = (head + 1) % capacity
      count -= 1
    }
    return unsafe items[head]
  }

  /// The element that `index` others precede.
  subscript(index: Int) -> Element {
    get {
      precondition(index < count)
      return unsafe items[(head + index) % capacity]
    }
    set {
      precondition(index < count)
      unsafe items[(head + index) % capacity] = newValue
    }
  }
}
