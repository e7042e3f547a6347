import Testing

@testable import DataPlane

/// Which of several servers flows go to.
@Suite struct PreferenceTests {
  private static let second: UInt64 = 1_000_000_000

  @Test func `a server that does not answer is passed over, and after the last comes the first`() {
    var preference = Preference(count: 3, now: 0)
    #expect(preference.current == 0)
    for next in [1, 2, 0] as [UInt8] {
      preference.noteFailure(of: preference.current)
      #expect(preference.current == next)
    }
  }

  @Test func `an old flow's failure says nothing about the server in use`() {
    var preference = Preference(count: 2, now: 0)
    preference.noteFailure(of: 1)
    #expect(preference.current == 0)
  }

  @Test func `a single server stays`() {
    var preference = Preference(count: 1, now: 0)
    preference.noteFailure(of: 0)
    #expect(preference.current == 0)
  }

  @Test func `news is a server that has answered, once`() {
    var preference = Preference(count: 2, now: 0)
    preference.noteAnswer(of: 0)
    #expect(preference.takeNews() == nil, "it is where flows go from the start")
    preference.noteFailure(of: 0)
    #expect(preference.takeNews() == nil)
    preference.noteAnswer(of: 1)
    #expect(preference.takeNews() == 1)
    #expect(preference.takeNews() == nil)
  }

  @Test func `one flow tries what is preferred, now and then, and the others follow when it is answered`() {
    var preference = Preference(count: 3, now: 0)
    preference.noteFailure(of: 0)
    preference.noteFailure(of: 1)
    preference.noteAnswer(of: 2)
    #expect(preference.betterTarget(than: 2, now: Self.second) == nil)
    let due = Limits.failbackNanoseconds
    #expect(preference.betterTarget(than: 2, now: due) == 0)
    #expect(preference.betterTarget(than: 2, now: due + 1) == nil)
    #expect(preference.betterTarget(than: 2, now: 2 * due) == 1)
    #expect(preference.betterTarget(than: 2, now: 3 * due) == 0)
    preference.noteAnswer(of: 0)
    #expect(preference.betterTarget(than: 2, now: 3 * due + 1) == 0)
    #expect(preference.betterTarget(than: 2, now: 3 * due + 2) == 0)
  }
}
