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

  @Test(arguments: [
    (
      ["client", "--locl", "h:1", "--remote", "h:1"],
      "Error: Unknown option '--locl'. Did you mean '--local'?\nUsage: u\n  See"
    ),
    (
      ["client", "--local", "h:1", "--remot=h:1"],
      "Error: Unknown option '--remot'. Did you mean '--remote'?\nUsage: u\n  See"
    ),
    (["server", "--listen", "4567"], "Error: Unknown option '--listen'\nUsage: u\n  See"),
    (
      ["flows", "close", "--sillent", "3"],
      "Error: Unknown option '--sillent'. Did you mean '--silent'?\nUsage: u\n  See"
    ),
  ])
  func aMisspeltOptionIsNamedThoughAnotherIsMissing(_ arguments: [String], _ text: String) {
    let complaint = "Error: Missing expected argument '--remote <host:port> ...'\nHelp: h\nUsage: u\n  See"
    #expect(GivenCommand(arguments).namingUnknownOption(complaint) == text)
  }

  @Test(arguments: [
    ["client", "--local", "h:1"], ["client", "-l", "h:1", "--workers=2"], ["client", "--", "--locl"],
    ["--hlep"], ["client", "--parent", "1"], ["server", "--help", "-x"],
    ["client", "--local", "h:1", "--named"],
  ])
  func otherComplaintsStayAsTheyAre(_ arguments: [String]) {
    let complaint = "Error: Missing expected argument, or '--named'\nUsage: u"
    #expect(GivenCommand(arguments).namingUnknownOption(complaint) == complaint)
  }
}
