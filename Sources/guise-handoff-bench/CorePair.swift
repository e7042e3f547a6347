internal import ArgumentParser

/// The cores that the two threads are pinned to.
struct CorePair: Sendable {
  var first: Int32
  var second: Int32

  init(first: Int32, second: Int32) {
    self.first = first
    self.second = second
  }

  init(_ text: String) throws {
    let numbers = text.split(separator: ",", omittingEmptySubsequences: false).map { Int32($0) }
    guard numbers.count == 2, let first = numbers[0], let second = numbers[1], first >= 0, second >= 0,
      first != second
    else { throw ValidationError("write two different cores, as in 0,1") }
    self.init(first: first, second: second)
  }
}
