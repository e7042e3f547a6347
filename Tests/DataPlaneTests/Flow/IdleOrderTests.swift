import Testing

@testable import DataPlane

@Suite struct IdleOrderTests {
  /// The order behind a reference, as the tests' macros want it.
  private final class Order {
    private var order: IdleOrder
    init(capacity: Int) throws { order = try IdleOrder(capacity: capacity) }
    var first: UInt32? { order.first }
    func note(_ index: UInt32, activity: UInt64) -> Bool { order.note(index, activity: activity) }
    func remove(_ index: UInt32) { order.remove(index) }
  }

  @Test func `whoever was noted longest ago is first`() throws {
    let order = try Order(capacity: 8)
    #expect(order.first == nil)
    for index in [3, 1, 5] as [UInt32] { #expect(order.note(index, activity: UInt64(index))) }
    #expect(order.first == 3)
    #expect(!order.note(3, activity: 3), "it has not spoken since")
    #expect(order.first == 3)
    #expect(order.note(3, activity: 9))
    #expect(order.first == 1)
    order.remove(1)
    #expect(order.first == 5)
    order.remove(1)
    #expect(order.first == 5)
    order.remove(5)
    #expect(order.first == 3)
    order.remove(3)
    #expect(order.first == nil)
  }

  @Test(arguments: Seeds.all)
  func `it is the order that a plain list has`(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let order = try Order(capacity: 32)
    var list: [(index: UInt32, activity: UInt64)] = []
    for _ in 0..<2_000 {
      let index = UInt32.random(in: 0..<32, using: &random)
      let activity = UInt64.random(in: 0...3, using: &random)
      if random.chance(0.3) {
        order.remove(index)
        list.removeAll { $0.index == index }
      } else {
        let isSame = list.contains { $0.index == index && $0.activity == activity }
        #expect(order.note(index, activity: activity) == !isSame)
        if !isSame {
          list.removeAll { $0.index == index }
          list.append((index, activity))
        }
      }
      #expect(order.first == list.first?.index, "seed \(seed)")
    }
  }
}
