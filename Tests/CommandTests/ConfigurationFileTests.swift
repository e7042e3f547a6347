import DataPlane
import Testing

@testable import Control
@testable import guise

/// What configuration files mean, and what is said of wrong ones.
@Suite struct ConfigurationFileTests {
  private func read(_ text: String) throws -> ConfigurationFile {
    try ConfigurationFile(text: text, path: "guise.toml")
  }

  /// All that is wrong with a file, a line each.
  private func faults(_ text: String) -> [String] {
    do {
      _ = try read(text)
      return []
    } catch {
      return "\(error)".split(separator: "\n").map(String.init)
    }
  }

  private static let client = """
    [client.office]
    local = "127.0.0.1:51821"
    remote = "example.org:4567"

    """

  @Test func tunnelsAreWhatTheirTablesSay() throws {
    let file = try read(
      """
      moderation = 100
      busy-poll = 20
      keepalive = 20

      [client.office]
      local = "127.0.0.1:51821"
      remote = ["example.org:4567", "192.0.2.1:4567"]
      connections = 4
      ipv4-only = true
      moderation = 0

      [server."b.c"]
      local = 4567
      remote = "127.0.0.1:51820"
      source = ["127.0.0.1", "127.0.0.2"]
      engine = "epoll"
      """)
    #expect(file.tunnels.map(\.name) == ["office", "b.c"])
    let client = file.tunnels[0].configuration
    #expect(client.role == .client)
    #expect(client.listen == .udp(try HostPort("127.0.0.1:51821")))
    #expect(client.remotes.map(\.description) == ["example.org:4567", "192.0.2.1:4567"])
    #expect(client.connections == 4 && client.ipv4Only)
    #expect(client.moderationMicroseconds == 0 && client.keepaliveSeconds == 20)
    #expect(client.name == "office")
    let server = file.tunnels[1].configuration
    #expect(server.listen == .tcp(nil, port: 4567))
    #expect(server.sources.map(\.description) == ["127.0.0.1", "127.0.0.2"])
    #expect(server.pollMicroseconds == 20)
    #expect(server.moderationMicroseconds == 100 && server.engine == .epoll)
  }

  @Test func whatIsLeftOutIsAsOnTheCommandLine() throws {
    var plain = GatewayConfiguration(
      listen: .udp(try HostPort("127.0.0.1:51821")), remote: try HostPort("example.org:4567"))
    plain.name = "office"
    #expect(try read(Self.client).tunnels[0].configuration == plain)
  }

  @Test func theOrderOfKeysAndDefaultsWrittenOutChangeNothing() throws {
    let other = try read(
      """
      [client.office]
      moderation = \(GatewayConfiguration.moderationDefault)
      ipv4-only = false
      remote = "example.org:4567"
      local = "127.0.0.1:51821"
      """)
    #expect(other.tunnels == (try read(Self.client).tunnels))
    #expect(other.tunnels != (try read(Self.client + "keepalive = 1\n").tunnels))
    #expect(other.tunnels != (try read(Self.client + "log-level = \"debug\"\n").tunnels))
  }

  static let mistakes: [(String, [String])] = [
    ("", ["guise.toml: there is no tunnel"]),
    ("[client.a\n", ["guise.toml:1: this is not TOML: "]),
    (
      client + "moderaton = 3\n",
      ["guise.toml:4: unknown key 'moderaton': did you mean 'moderation'? ([client.office])"]
    ),
    (client + "xyzzy = 3\n", ["guise.toml:4: unknown key 'xyzzy' ([client.office])"]),
    (
      client + "max-new-flows = 3\n",
      ["guise.toml:4: 'max-new-flows' is a key of [server.NAME] alone: [client.office] has no use for it"]
    ),
    (client + "mtu = 10\n", ["guise.toml:4: mtu 10 is out of bounds: use 576 to 65535"]),
    (client + "mtu = 1400.5\n", ["guise.toml:4: 'mtu' is bytes: write a text in quotes or a number"]),
    (client + "mtu = \"wide\"\n", ["guise.toml:4: The value 'wide' is invalid for 'mtu'"]),
    (
      client + "firewall = \"perhaps\"\n",
      ["guise.toml:4: The value 'perhaps' is invalid for 'firewall': use one of "]
    ),
    (
      client + "firewall = \"print\"\n",
      ["guise.toml:4: 'print' is for the command line: a tunnel of a file takes"]
    ),
    (
      "firewall = \"print\"\n[client.a]\nlocal = \"127.0.0.1:1\"\n",
      ["guise.toml:1: 'print' is for the command line", "guise.toml:2: [client.a] lacks 'remote'"]
    ),
    (client + "ipv4-only = 1\n", ["guise.toml:4: 'ipv4-only' is either true or false"]),
    (client + "name = \"b\"\n", ["guise.toml:4: a tunnel's name stands in its table's: [client.NAME]"]),
    (client + "help = true\n", ["guise.toml:4: unknown key 'help'"]),
    (client + "parent = 1\n", ["guise.toml:4: unknown key 'parent'"]),
    (
      client + "tun-local = \"10.0.0.1\"\ntun-peer = \"10.0.0.1\"\n",
      ["guise.toml:5: tun-local and tun-peer must differ"]
    ),
    ("[client.a]\nlocal = \"127.0.0.1:1\"\n", ["guise.toml:1: [client.a] lacks 'remote': The server"]),
    (
      "[clinet.a]\nlocal = 1\n", ["guise.toml:1: unknown table 'clinet': did you mean 'client'?: tunnels are"]
    ),
    (
      "[client]\nlocal = \"127.0.0.1:1\"\n",
      ["guise.toml:2: a tunnel has a name of its own: write [client.NAME]"]
    ),
    ("[[server]]\nlocal = 1\n", ["guise.toml:1: a tunnel has a name of its own: write [server.NAME]"]),
    ("local = 1\n" + client, ["guise.toml:1: 'local' is of one tunnel"]),
    ("enigne = \"epoll\"\n" + client, ["guise.toml:1: unknown key 'enigne': did you mean 'engine'?"]),
    ("idle-timeout = 0\n" + client, ["guise.toml:1: idle-timeout 0 is out of bounds"]),
    (
      client + "[server.office]\nlocal = 1\nremote = \"127.0.0.1:1\"\n",
      ["guise.toml:4: there is a tunnel 'office' already, on line 1"]
    ),
    (
      client + "[server.office]\nlocal = 1\nremote = [\"a:1\", \"b:1\"]\nworkers = [1, 2]\n",
      [
        "guise.toml:4: there is a tunnel 'office' already, on line 1",
        "guise.toml:6: 'remote' is one host:port, and here are 2",
        "guise.toml:7: 'workers' is one count, and here are 2",
      ]
    ),
    (
      client + client.replacing("office", with: "b").replacing("127.0.0.1:51821", with: "0.0.0.0:51821"),
      ["guise.toml:5: 'local' UDP 0.0.0.0:51821 is taken by [client.office]"]
    ),
    (
      client + client.replacing("office", with: "b"),
      ["guise.toml:5: 'local' UDP 127.0.0.1:51821 is taken by [client.office]"]
    ),
    (
      client
        + "metrics = \"9740\"\n[server.b]\nlocal = 1\nremote = \"127.0.0.1:1\"\nmetrics = \"0.0.0.0:9740\"\n",
      ["guise.toml:8: 'metrics' 0.0.0.0:9740 is taken by [client.office]: [server.b] needs another"]
    ),
    (
      "metrics = \"9740\"\n" + client + "[server.b]\nlocal = 1\nremote = \"127.0.0.1:1\"\n",
      ["guise.toml:1: 'metrics' 127.0.0.1:9740 is taken by [client.office]: [server.b] needs another"]
    ),
    (
      "[server.a]\nlocal = 1\nremote = \"127.0.0.1:1\"\n[server.b]\nlocal = \"10.0.0.1:1\"\nremote = \"127.0.0.1:2\"\n",
      ["guise.toml:5: 'local' TCP 10.0.0.1:1 is taken by [server.a]: [server.b] needs another"]
    ),
    (
      client + "tun-local = \"10.1.0.1\"\ntun-peer = \"10.1.0.2\"\n"
        + "[server.b]\nlocal = 1\nremote = \"127.0.0.1:1\"\ntun-local = \"10.1.0.2\"\ntun-peer = \"10.1.0.3\"\n",
      ["guise.toml:9: 'tun-local' 10.1.0.2 is taken by [client.office]: [server.b] needs another"]
    ),
    (
      client + "metrics = \"example.org:1\"\n",
      ["guise.toml:4: The value 'example.org:1' is invalid for 'metrics': 'example.org:1' has no address"]
    ),
    (client.replacing("office", with: "\"a b\""), ["guise.toml:1: 'a b' cannot be the name of a tunnel"]),
    (
      client + "mtu = 1\nengin = 2\n",
      ["guise.toml:4: mtu 1 is out", "guise.toml:5: unknown key 'engin': did you mean 'engine'?"]
    ),
  ]

  @Test(arguments: mistakes) func aMistakeIsNamedByItsLine(_ text: String, _ expected: [String]) {
    let faults = faults(text)
    #expect(faults.count == expected.count, "\(faults)")
    for (fault, beginning) in zip(faults, expected) { #expect(fault.hasPrefix(beginning)) }
  }

  @Test func aFileThatIsNotThereIsNamed() {
    #expect(throws: ConfigurationFile.Unusable.self) {
      try ConfigurationFile(path: "/nonexistent/guise.toml")
    }
  }

  @Test func whatIsShownMeansTheSame() throws {
    let file = try read(
      "moderation = 7\n" + Self.client
        + "connections = 2\n[server.x]\nlocal = \"192.0.2.1:5\"\nremote = \"[::1]:6\"\n")
    let shown = file.effective
    #expect(try read(shown).tunnels == file.tunnels)
    for kind in TunnelKind.allCases {
      for key in kind.keys { #expect(shown.contains("\(key.name) = ") || shown.contains("# \(key.name): ")) }
    }
  }
}
