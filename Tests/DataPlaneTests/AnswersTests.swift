import Testing

@testable import DataPlane

/// When a worker that rests looks for answers. The clock is the test's own.
@Suite struct AnswersTests {
  private static let interval: UInt64 = 400_000
  private static let look = Pace.lingering(for: Limits.answerNanoseconds)
  private static let rest = Pace.resting(every: interval)

  @Test func `what was delivered is looked for, once, and the rest ends when it would have`() {
    var answers = Answers()
    answers.note(.downlink)
    #expect(answers.pace(1_000_000, resting: Self.interval) == Self.look)
    answers.note(.uplink)
    #expect(answers.pace(1_080_000, resting: Self.interval) == .resting(every: Self.interval - 80_000))
    #expect(answers.pace(1_400_000, resting: Self.interval) == Self.rest)
  }

  @Test func `an answer that leaves is not looked for`() {
    var answers = Answers()
    answers.note(.uplink)
    #expect(answers.pace(1_000_000, resting: Self.interval) == Self.rest)
  }

  @Test func `a look that took long still leaves half of the rest`() {
    var answers = Answers()
    answers.note(.downlink)
    #expect(answers.pace(1_000_000, resting: Self.interval) == Self.look)
    #expect(answers.pace(5_000_000, resting: Self.interval) == .resting(every: Self.interval / 2))
  }

  @Test func `a short rest has a shorter look`() {
    var answers = Answers()
    answers.note(.downlink)
    #expect(answers.pace(1_000_000, resting: 100_000) == .lingering(for: 25_000))
  }

  @Test func `looks that find nothing become rare, and one that finds something forgets them`() {
    var answers = Answers()
    var now: UInt64 = 0
    /// Deliveries until one is followed by a look, which then finds an answer or does not.
    func deliveriesUntilLook(finds: Bool) -> Int {
      for count in 1...100 {
        now += Self.interval
        answers.note(.downlink)
        guard answers.pace(now, resting: Self.interval) == Self.look else { continue }
        if finds { answers.note(.uplink) }
        now += 80_000
        #expect(answers.pace(now, resting: Self.interval) != Self.look)
        return count
      }
      return 0
    }
    #expect((0..<8).map { _ in deliveriesUntilLook(finds: false) } == [1, 1, 3, 7, 15, 31, 63, 63])
    #expect((0..<3).map { _ in deliveriesUntilLook(finds: true) } == [63, 1, 1])
  }

  @Test func `arrivals of a flow alternate when two in a row turn`() {
    var course = Course(to: .downlink)
    func steps(_ directions: [Direction]) -> [Course.Step] { directions.map { course.step(to: $0) } }
    #expect(
      steps([.uplink, .downlink, .uplink, .downlink]) == [.turns, .alternates, .alternates, .alternates])
    // Bulk both ways: batches of each direction.
    #expect(
      steps([.downlink, .downlink, .uplink, .uplink, .downlink]) == [
        .streams, .streams, .turns, .streams, .turns,
      ])
    #expect(steps([.uplink]) == [.alternates])
  }
}
