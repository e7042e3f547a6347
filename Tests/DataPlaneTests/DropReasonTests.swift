import Testing

@testable import DataPlane

@Suite struct DropReasonTests {
  @Test func `reasons have a name each, in kebab case`() {
    let names = DropReason.allCases.map(\.name)
    #expect(Set(names).count == names.count)
    for name in names {
      let words = name.split(separator: "-", omittingEmptySubsequences: false)
      #expect(words.allSatisfy { !$0.isEmpty && $0.allSatisfy { ("a"..."z").contains($0) } }, "\(name)")
    }
  }

  @Test(arguments: DropReason.allCases)
  func `a reason's name is its case's, word by word`(reason: DropReason) {
    let words = String(describing: reason).map { $0.isUppercase ? "-\($0.lowercased())" : String($0) }
    #expect(reason.name == words.joined())
  }

  @Test func `raw values are dense, as the counters' cells are`() {
    #expect(DropReason.allCases.map(\.rawValue) == Array(0..<DropReason.allCases.count))
  }
}
