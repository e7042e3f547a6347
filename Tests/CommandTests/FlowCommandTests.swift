import ArgumentParser
import Telemetry
import Testing

@testable import guise

/// What the commands about flows are told, and what they refuse before they ask anybody.
@Suite struct FlowCommandTests {
  private func parse<Command: ParsableCommand>(_ arguments: String..., as type: Command.Type) throws
    -> Command
  {
    try #require(try GuiseCommand.parseAsRoot(arguments) as? Command)
  }

  @Test func `options become the query that goes to the process`() throws {
    let command = try parse(
      "flows", "close", "guise1", "--port", "40001", "--remote", "[2001:db8::1]:4567", "--peer", ":53",
      "--silent",
      "2.5", as: FlowsCommand.Close.self)
    var query = FlowQuery()
    (query.localPort, query.remote, query.remotePort) = (40_001, "2001:db8::1", 4_567)
    (query.peerPort, query.silentSeconds) = (53, 2.5)
    #expect(command.selection.query == query && !command.selection.isEmpty)
    #expect(command.choice.device == "guise1")
  }

  @Test func `every flow is closed only where that is said`() throws {
    for arguments in [
      ["flows", "close"], ["flows", "close", "guise0"], ["flows", "close", "--all", "--port", "1"],
    ] {
      #expect(throws: (any Error).self) { try GuiseCommand.parseAsRoot(arguments) }
    }
    #expect(try parse("flows", "close", "--all", as: FlowsCommand.Close.self).selection.isEmpty)
    #expect(try parse("reconnect", as: ReconnectCommand.self).selection.isEmpty)
  }

  @Test(arguments: [
    ["flows", "list", "--silent", "-1"], ["flows", "list", "--limit", "0"],
    ["flows", "list", "--sort", "size"],
    ["flows", "list", "--port", "0"], ["flows", "list", "--remote", "example.org"],
    ["top", "--interval", "0.1"],
    ["top", "--interval", "nan"], ["reconnect", "--peer", "1"],
  ])
  func `what makes no sense is refused`(_ arguments: [String]) {
    #expect(throws: (any Error).self) { try GuiseCommand.parseAsRoot(arguments) }
  }

  /// In a container `GUISE_REMOTE` says where the client goes to, not which flows are meant.
  @Test func `a gateway's variables select no flows`() throws {
    let environment = ["GUISE_REMOTE": "server.example:4567", "GUISE_ALL": "1", "GUISE_INTERVAL": "5"]
    for command in [["flows", "close"], ["flows", "list"], ["reconnect"]] {
      #expect(try EnvironmentDefaults(GivenCommand(command), environment: environment).arguments == command)
    }
    #expect(
      try EnvironmentDefaults(GivenCommand(["top"]), environment: environment).arguments == [
        "top", "--interval=5",
      ])
  }

  /// Each of them teaches with a command line that it takes itself.
  @Test(
    arguments: [
      TopCommand.self, FlowsCommand.List.self, FlowsCommand.Close.self, ReconnectCommand.self,
      StatusCommand.self,
    ] as [any ParsableCommand.Type])
  func `examples in the help are understood`(_ command: any ParsableCommand.Type) throws {
    let lines = command.configuration.discussion.split(separator: "\n").filter { $0.hasPrefix("  guise ") }
    #expect(!lines.isEmpty)
    for line in lines {
      let parsed = try GuiseCommand.parseAsRoot(line.split(separator: " ").dropFirst().map(String.init))
      #expect(type(of: parsed) == command, "\(line)")
    }
  }
}
