import Testing

@testable import DataPlane

@Suite struct KeyIndexTests {
  /// Values by tag, as the index should know them.
  private typealias Twin = [UInt32: Set<UInt32>]

  /// How tags are drawn: spread, few of them, neighbours, and those whose walk wraps round the table's end.
  enum Tags: CaseIterable {
    case anywhere, few, neighbours, atTheEnd

    func next(_ random: inout SeededRandom) -> UInt32 {
      let word = UInt32(truncatingIfNeeded: random.next())
      return switch self {
      case .anywhere: word
      case .few: word % 5
      case .neighbours: word % 64
      case .atTheEnd: word | 0xffff_fff0
      }
    }
  }

  @Test(arguments: Tags.allCases, Seeds.all)
  func `any sequence of operations leaves what a dictionary would hold`(tags: Tags, seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let capacity = 100
    var index = try KeyIndex(capacity: capacity)
    var twin = Twin()
    var tagOf = [UInt32: UInt32]()
    var free = Array(UInt32(0)..<UInt32(capacity))
    for step in 0..<6_000 {
      if random.oneIn(2), !free.isEmpty {
        let value = free.remove(at: Int.random(in: 0..<free.count, using: &random))
        let tag = tags.next(&random)
        index.insert(tag, value)
        twin[tag, default: []].insert(value)
        tagOf[value] = tag
      } else if let (value, tag) = tagOf.randomElement(using: &random) {
        index.remove(tag, value)
        twin[tag]!.remove(value)
        tagOf[value] = nil
        free.append(value)
      }
      guard index.count == tagOf.count else {
        Issue.record("step \(step): \(index.count) values, not \(tagOf.count)")
        return
      }
      guard step % 20 == 0 else { continue }
      for value in 0..<UInt32(capacity) {
        let tag = tagOf[value] ?? tags.next(&random)
        let found = index.find(tag) { $0 == value }
        guard found == (tagOf[value] == nil ? nil : value) else {
          Issue.record("step \(step): \(value) under \(tag) is \(String(describing: found))")
          return
        }
      }
    }
  }

  @Test func `every candidate of a tag is offered until one is taken`() throws {
    var index = try KeyIndex(capacity: 10)
    for value in 0..<6 as Range<UInt32> { index.insert(value < 4 ? 7 : 8, value) }
    var offered = [UInt32]()
    #expect(
      index.find(7) {
        offered.append($0)
        return false
      } == nil)
    #expect(offered.sorted() == [0, 1, 2, 3])
    #expect(index.find(8) { $0 == 5 } == 5)
    #expect(index.find(9) { _ in true } == nil)
  }

  @Test func `removing what is not there changes nothing`() throws {
    var index = try KeyIndex(capacity: 10)
    index.insert(7, 1)
    index.remove(7, 2)
    index.remove(8, 1_000)
    #expect(index.count == 1)
    #expect(index.find(7) { $0 == 1 } == 1)
  }

  @Test(arguments: [1, 2, 7, 8, 9, 1_000])
  func `it holds as many as it was made for`(capacity: Int) throws {
    var index = try KeyIndex(capacity: capacity)
    for value in 0..<UInt32(capacity) { index.insert(value &* 0x9e37_79b9, value) }
    for value in 0..<UInt32(capacity) {
      #expect(index.find(value &* 0x9e37_79b9) { $0 == value } == value)
    }
    for value in 0..<UInt32(capacity) { index.remove(value &* 0x9e37_79b9, value) }
    #expect(index.count == 0)
  }

  @Test func `one more than it has room for traps`() async {
    await #expect(processExitsWith: .failure) {
      var index = try KeyIndex(capacity: 8)
      for value in 0..<9 as Range<UInt32> { index.insert(value, value) }
    }
  }
}
