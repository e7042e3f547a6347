import Testing

@testable import guise

/// Environment variables stand in for what the command line leaves out, and for nothing else.
@Suite struct EnvironmentDefaultsTests {
  private func arguments(_ given: [String], _ environment: [String: String]) throws -> [String] {
    try EnvironmentDefaults(GivenCommand(given), environment: environment).arguments
  }

  @Test func aVariableIsADefault() throws {
    #expect(try arguments(["client", "-4"], ["GUISE_MTU": "1400"]) == ["client", "--mtu=1400", "-4"])
    #expect(try arguments(["config", "check"], ["GUISE_CONFIG": "x"]) == ["config", "check", "--config=x"])
  }

  @Test(arguments: [["--mtu", "9"], ["--mtu=9"]]) func theCommandLineWins(_ option: [String]) throws {
    #expect(try arguments(["client"] + option, ["GUISE_MTU": "1400"]) == ["client"] + option)
  }

  @Test(arguments: ["-l1", "-l=1", "--local=1"]) func itWinsByAnyName(_ option: String) throws {
    #expect(try arguments(["server", option], ["GUISE_LOCAL": "2"]) == ["server", option])
  }

  @Test func severalValuesAreSeveralOptions() throws {
    let given = try arguments(["client"], ["GUISE_REMOTE": "a:1, b:2"])
    #expect(given == ["client", "--remote=a:1", "--remote=b:2"])
  }

  @Test func flagsAreOnOrOff() throws {
    #expect(try arguments(["client"], ["GUISE_IPV4_ONLY": "yes"]) == ["client", "--ipv4-only"])
    #expect(try arguments(["client"], ["GUISE_IPV4_ONLY": "0"]) == ["client"])
    #expect(throws: (any Error).self) { try arguments(["client"], ["GUISE_IPV4_ONLY": "maybe"]) }
  }

  @Test func othersVariablesAreLeftAlone() throws {
    let environment = [
      "GUISE_KEEPALIVE": "1", "GUISE_NONSENSE": "1", "MTU": "1", "GUISE_MTU": "", "GUISE_HELP": "1",
    ]
    #expect(try arguments(["server", "-l", "1"], environment) == ["server", "-l", "1"])
    #expect(try arguments(["--version"], ["GUISE_MTU": "1"]) == ["--version"])
  }

  @Test func aComplaintNamesTheVariable() throws {
    let defaults = try EnvironmentDefaults(
      GivenCommand(["client"]), environment: ["GUISE_MTU": "1", "GUISE_TUN": "x"])
    #expect(
      defaults.origins(in: "The value '1' is invalid for '--mtu <bytes>'")
        == "--mtu comes from the environment variable GUISE_MTU.")
    #expect(defaults.origins(in: "--tun-local is wrong") == nil)
  }
}
