import Testing

@testable import guise_uring

@Suite("Medians and ratios")
struct SpreadTests {
  @Test("The median is the middle value, or the mean of the middle two, in whatever order they come")
  func median() {
    #expect(Spread(of: [5, 1, 3])?.median == 3)
    #expect(Spread(of: [4, 1, 3, 2])?.median == 2.5)
    #expect(Spread(of: [7])?.median == 7)
  }

  @Test("Least and most are told too, and nothing has no median")
  func extremes() {
    #expect(Spread(of: [5, 1, 3])?.min == 1)
    #expect(Spread(of: [5, 1, 3])?.max == 5)
    #expect(Spread(of: []) == nil)
  }

  @Test("Ratios are taken within rounds, so that a slow round does not count")
  func ratios() {
    let ratio = Spread.ofRatios([2, 200, 2], to: [1, 100, 1])
    #expect(ratio?.median == 2)
    #expect(ratio?.max == 2)
    #expect(Spread.ofRatios([1, 2], to: [0, 1])?.median == 2)
    #expect(Spread.ofRatios([1], to: [0]) == nil)
  }
}
