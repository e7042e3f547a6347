import ArgumentParser
import Testing

@testable import guise

@Suite struct GivenCommandTests {
  @Test(arguments: [
    ["server", "--local", "4567", "--remote", "h:1", "--remote", "h:2"],
    ["server", "-l", "4567", "-rh:1", "--remote=h:2"], ["server", "-r", "h:1", "-r", "h:2"],
    ["server", "--local", "1", "--remote", "h:1", "--source", "10.0.0.1", "--source", "10.0.0.2"],
    ["check", "--peer", "a", "--peer=b"],
  ])
  func anOptionOfOneValueIsNotTakenTwice(_ arguments: [String]) {
    #expect(throws: ValidationError.self) { try GivenCommand(arguments).refuseRepetitions() }
  }

  @Test(arguments: [
    ["client", "--local", "1", "--remote", "h:1", "--remote", "h:2"],
    ["client", "--local=1", "-l2", "--remote", "h:1", "-4", "-4", "--workers=2", "--workers", "3"],
    ["server", "--local", "1", "--remote", "h:1", "--", "--remote"],
    ["server", "--local", "1", "--remote", "h:1", "--name", "local"],
    ["--remote", "1", "--remote", "2"], ["no-command", "--remote", "1", "--remote", "2"], [],
  ])
  func whatMayBeSaidAgainIsLeftAlone(_ arguments: [String]) throws {
    try GivenCommand(arguments).refuseRepetitions()
  }
}
