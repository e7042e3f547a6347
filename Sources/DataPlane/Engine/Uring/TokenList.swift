/// A bounded queue of tokens, first in, first out.
@safe
struct TokenList: ~Copyable {
  private let region: Region
  private let items: UnsafeMutablePointer<UInt64>
  private let capacity: Int
  private var head = 0
  private(set) var count = 0

  init(capacity: Int) throws(KernelError) {
    let region = try Region.array(of: UInt64.self, count: capacity)
    unsafe items = region.bound(to: UInt64.self)
    self.region = region
    self.capacity = capacity
  }

  mutating func append(_ token: Token) {
    precondition(count < capacity)
    unsafe items[(head + count) % capacity] = token.rawValue
    count += 1
  }

  /// The oldest token; there must be one.
  mutating func popFirst() -> Token {
    precondition(count > 0)
    let token = unsafe Token(rawValue: items[head])
    head = (head + 1) % capacity
    count -= 1
    return token
  }
}
