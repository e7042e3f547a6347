import ArgumentParser
import DataPlane
import Telemetry
import Testing

@testable import Control
@testable import guise

/// docs/OPERATING.md explains every option and every key of a configuration file, and none that does not exist.
@Suite struct OptionsInTheGuideTests {
  /// Those that run gateways or all of them.
  private static let commands: [any ParsableCommand.Type] = [
    ClientCommand.self, ServerCommand.self, RunCommand.self, CleanupCommand.self, ConfigCommand.Check.self,
    ConfigCommand.Show.self,
  ]

  @Test func everyOptionHasItsRow() throws {
    let options = Set(Self.commands.flatMap(OptionDescription.all).map { "--\($0.name)" })
    #expect(
      try Set(words(below: "## The command line")).filter { $0.hasPrefix("--") }
        == options.union(["--version", "--help"]))
  }

  /// Those that look at what runs, and tell it what to do.
  private static let visitors: [any ParsableCommand.Type] = [
    StatusCommand.self, TopCommand.self, FlowsCommand.List.self, FlowsCommand.Close.self,
    ReconnectCommand.self,
  ]

  @Test func everyOptionOfVisitorsHasItsRow() throws {
    let options = Set(Self.visitors.flatMap(OptionDescription.all).map { "--\($0.name)" })
    #expect(try Set(words(below: "## Watching tunnels and flows")) == options)
  }

  @Test func everyOptionOfTheCheckHasItsRow() throws {
    let options = Set(OptionDescription.all(of: CheckCommand.self).map { "--\($0.name)" })
    #expect(try Set(words(below: "## Checking a host")).filter { $0.hasPrefix("--") } == options)
  }

  /// No command is in neither list.
  @Test func everyCommandIsInTheGuide() throws {
    let known = (Self.commands + Self.visitors + [CheckCommand.self]).map(ObjectIdentifier.init)
    for command in GuiseCommand.configuration.subcommands {
      let parts = command.configuration.subcommands.isEmpty ? [command] : command.configuration.subcommands
      #expect(parts.allSatisfy { known.contains(ObjectIdentifier($0)) }, "\(command)")
    }
  }

  @Test func everyStateOfFlowsHasItsRow() throws {
    #expect(try words(below: "### States of flows") == FlowSummary.State.allCases.map { "\($0)" })
  }

  @Test func everyOrderOfFlowsIsInTheRowOfItsOption() throws {
    let row = try #require(
      rows(below: "## Watching tunnels and flows").first { $0.hasPrefix("| `--sort`") })
    for order in FlowOrder.allCases { #expect(row.contains("`\(order.rawValue)`")) }
  }

  @Test func everyKeyHasItsRow() throws {
    let documented = try words(below: "### Keys")
    #expect(documented.sorted() == Set(TunnelKind.allCases.flatMap(\.keys).map(\.name)).sorted())
  }

  @Test func theKeysOfOneKindAreMarked() throws {
    for kind in TunnelKind.allCases {
      let others = TunnelKind.allCases.filter { $0 != kind }.flatMap(\.keys).map(\.name)
      let own = Set(kind.keys.map(\.name)).subtracting(others)
      let marked = try rows(below: "### Keys").filter { $0.contains("| \(kind.rawValue) |") }
      #expect(Set(marked.flatMap(words(of:))) == own)
    }
  }

  @Test func keysOfOneTunnelAreMarked() throws {
    let marked = try rows(below: "### Keys").filter { $0.contains("| both, one |") }.flatMap(words(of:))
    #expect(marked == TunnelKind.ownKeys)
  }

  @Test func theFileToBeginWithMakesSense() throws {
    let tunnels = try ConfigurationFile(path: Self.root + "/deploy/guise.toml").tunnels
    #expect(tunnels.map(\.name) == ["example"])
  }

  /// The file in the guide, and in the example the part that is commented out, make sense as well.
  @Test func examplesMakeSense() throws {
    let guide = try Self.text("docs/OPERATING.md")
    let example = try #require(guide.components(between: "```toml\n", and: "```"))
    #expect(try ConfigurationFile(text: example, path: "guide").tunnels.count == 2)
    let server = try Self.text("deploy/guise.toml").split(separator: "\n").drop { !$0.hasPrefix("# [server") }
      .map { $0.dropFirst(2) }.joined(separator: "\n")
    #expect(try ConfigurationFile(text: server, path: "deploy").tunnels.count == 1)
  }

  // MARK: - Reading the guide

  /// What stands in backquotes in the first column.
  private func words(below heading: String) throws -> [String] {
    try rows(below: heading).flatMap(words(of:))
  }

  private func words(of row: String) -> [String] {
    let column = row.dropFirst().prefix { $0 != "|" }
    return column.split(separator: "`", omittingEmptySubsequences: false).enumerated()
      .filter { $0.offset % 2 == 1 }.map { String($0.element) }
  }

  /// The rows of the tables between a heading and the next.
  private func rows(below heading: String) throws -> [String] {
    let lines = try Self.text("docs/OPERATING.md").split(separator: "\n").map(String.init)
    let section = lines.drop { $0 != heading }.dropFirst().prefix { !$0.hasPrefix("#") }
    try #require(!section.isEmpty, "docs/OPERATING.md has no section '\(heading)'")
    return section.filter { $0.hasPrefix("| `") }
  }

  private static let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")

  private static func text(_ path: String) throws -> String {
    String(decoding: try TextFile.read("\(root)/\(path)"), as: UTF8.self)
  }
}

extension String {
  fileprivate func components(between start: String, and end: String) -> String? {
    guard let begin = firstRange(of: start)?.upperBound, let stop = self[begin...].firstRange(of: end) else {
      return nil
    }
    return String(self[begin..<stop.lowerBound])
  }
}
