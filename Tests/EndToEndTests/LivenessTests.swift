import Glibc
import Testing

extension EndToEnd.Faults {
  /// Paths that go dead and come back, and servers that move, without anybody's help.
  @Suite("Liveness")
  struct Liveness {
    /// How long the path is cut; `GUISE_CUT_SECONDS` for longer ones.
    static var cutSeconds: Int {
      unsafe getenv("GUISE_CUT_SECONDS").flatMap { unsafe Int(String(cString: $0)) } ?? 5
    }

    /// What is allowed between the path's return and the first answer.
    static let patience = Duration.seconds(2)

    /// A suspended flow goes on if it is answered before its successor is confirmed, as it is unless the threads of
    /// a busy host run in another order.
    @Test("A cut path carries its flows within two seconds of its return, and a forgotten flow another")
    func cut() async throws {
      for variant in Variant.eachEngine() {
        try await Topology.routed(nat: true) { net in
          let tunnel = try await Tunnel.up(on: net, variant)
          try await tunnel.echoService()
          let application = try tunnel.application()
          try await application.echo([1], within: .seconds(2))
          let end = try await Self.endOfFirstFlow(tunnel.client)
          let background = try Load.startSending(
            in: net.client, to: Tunnel.entrance, rate: "1000p", seconds: Self.cutSeconds + 30)
          try await until("the other flow to open", within: .seconds(2)) {
            tunnel.client.logLines(with: "flow opened").count == 2
          }

          try Self.cut("", on: net)
          try await Self.keepSending(application, for: .seconds(Self.cutSeconds))
          try Self.restore(on: net)
          let silence = try await application.echo([2], within: Self.patience)
          print("\(variant): cut for \(Self.cutSeconds) s, answered \(silence) after the path's return")
          #expect(tunnel.client.logLines(with: "trying another port").count == 2)
          try await until("the log to tell of both flows", within: .seconds(2)) {
            tunnel.client.logLines(with: "flow answered again").count
              + tunnel.client.logLines(with: "flow reopened").count == 2
          }
          let reopened = tunnel.client.logLines(with: "flow reopened").count
          #expect(try await tunnel.client.counters()["flows reopened"] == reopened)

          // Now the router forgets the application's flow, and not the other one.
          let port = try Self.port(of: end, tunnel.client)
          try Self.cut("tcp sport \(port) drop; tcp dport \(port)", on: net)
          try await application.echo([3], within: .seconds(8))
          try await until("the log to tell", within: .seconds(2)) {
            tunnel.client.logLines(with: "flow reopened, before from port \(port)").count == 1
          }
          #expect(try await tunnel.client.counters()["flows reopened"] == reopened + 1)
          #expect(background.poll() == nil, "the sender gave up")
        }
      }
    }

    @Test(
      "A server at a new address behind the same name is found", arguments: Variant.eachEngine(),
      ["tracked", "auto"])
    func newAddress(_ variant: Variant, firewall: String) async throws {
      try await Topology.pair { net in
        try net.client.overlay("hosts", "\(net.serverAddress4) gateway.example\n")
        // Another host's would not have the flows; this one's could even go on with them at the old address.
        let serverArguments = Tunnel.serverArguments + variant.arguments + ["--flow-file", "off"]
        var server = try await Gateway.start(serverArguments, in: net.server)
        let client = try await Gateway.start(
          ["client", "--local", Tunnel.entrance, "--remote", "gateway.example:4567", "--firewall", firewall]
            + variant.arguments, in: net.client)
        try await Load.echo(in: net.server, at: Tunnel.service)
        let application = try DatagramSocket.connected(to: Tunnel.entrance, in: net.client)
        try await application.echo([1], within: .seconds(2))

        // Without a gap, and after being gone for a while. The first takes 4 s where nobody goes by the name.
        for (gap, patience, old, new) in [
          (0, Duration.seconds(3), 2, 3), (Self.cutSeconds, Self.patience, 3, 4),
        ] {
          let moved = ContinuousClock.now
          // Nothing there says that it has gone.
          try net.server.load(
            rules: """
              table ip gone\(old) {
                chain prerouting {
                  type filter hook prerouting priority -400
                  ip daddr 10.66.1.\(old) drop
                }
              }
              """)
          try net.server.ip("addr", "del", "10.66.1.\(old)/24", "dev", "eth0")
          try await server.stop(SIGKILL)
          try await Self.keepSending(application, for: .seconds(gap))
          try net.server.add("10.66.1.\(new)/24", to: "eth0")
          try net.client.overlay("hosts", "10.66.1.\(new) gateway.example\n")
          server = try await Gateway.start(serverArguments, in: net.server)

          let silence = try await application.echo([UInt8(new)], within: patience)
          print(
            "\(variant): gone for \(gap) s, answered \(silence) after it was there again, "
              + "\(ContinuousClock.now - moved) after it went")
          #expect(client.logLines(with: "going on with 10.66.1.\(new):4567").count == 1)
          let rules = try net.client.run("nft", "list", "ruleset")
          #expect(rules.contains("10.66.1.\(new)") == (firewall == "tracked"))
          #expect(!rules.contains("10.66.1.\(old)"))
        }
      }
    }

    @Test("Flows go over to the second server, and back to the first when it is there again")
    func failover() async throws {
      try await Topology.pair { net in
        let first = try await Gateway.start(Tunnel.serverArguments, in: net.server)
        let second = try await Gateway.start(
          ["server", "--local", "4568", "--remote", Tunnel.service], in: net.server)
        let client = try await Gateway.start(
          Tunnel.clientArguments(on: net) + ["--remote", "\(net.serverAddress4):4568"], in: net.client)
        try await Load.echo(in: net.server, at: Tunnel.service)
        let application = try DatagramSocket.connected(to: Tunnel.entrance, in: net.client)
        try await application.echo([1], within: .seconds(2))

        try await first.stop()
        try await application.echo([2], within: .seconds(5))
        try await until("the logs to tell", within: .seconds(2)) {
          second.log.contains("flow opened") && client.log.contains("number 2 of 2 servers")
        }

        let again = try await Gateway.start(Tunnel.serverArguments, in: net.server)
        try await until("the flow to come back", within: .seconds(15)) {
          try application.send([3])
          return again.log.contains("flow opened") && client.log.contains("number 1 of 2 servers")
        }
        try await application.echo([4], within: .seconds(2))
        try await until("the second server's flow to end", within: .seconds(2)) {
          second.log.contains("closed by the other end")
        }
      }
    }

    // MARK: - The router

    /// Drops what the router forwards: everything, or what `match` says.
    private static func cut(_ match: String, on net: Topology) throws {
      try net.router!.load(
        rules: """
          table inet cut {
            chain forward {
              type filter hook forward priority -10
              \(match) drop
            }
          }
          """)
    }

    private static func restore(on net: Topology) throws {
      try net.router!.run("nft", "delete", "table", "inet", "cut")
    }

    /// What an application does that does not notice.
    private static func keepSending(_ application: DatagramSocket, for duration: Duration) async throws {
      let end = ContinuousClock.now + duration
      while ContinuousClock.now < end {
        try application.send([0])
        try await Task.sleep(for: .milliseconds(20))
      }
      while application.poll() != nil {}
    }

    /// The UDP end of the only flow.
    private static func endOfFirstFlow(_ client: Gateway) async throws -> Substring {
      try await eventually("a flow in the log", within: .seconds(2)) {
        client.log.firstMatch(of: /flow opened: UDP (\S+) -> port/)?.1
      }
    }

    /// The TCP port of that end's flow, by the last line that names it.
    private static func port(of end: Substring, _ client: Gateway) throws -> Substring {
      let line = try #require(client.logLines(with: "UDP \(end) -> port").last)
      return try #require(line.firstMatch(of: /-> port (\d+)/)?.1)
    }
  }
}
