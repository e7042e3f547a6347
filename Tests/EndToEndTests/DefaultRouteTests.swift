import Testing

extension EndToEnd.Operation {
  /// WireGuard has the default route, and goes over guise (docs/decisions/0072-routing-loops.md).
  @Suite("Default route")
  struct DefaultRoute {
    /// That of wg-quick(8).
    private static let mark = "51820"
    /// An address at the server's host that no router knows a way to.
    private static let far = "203.0.113.1"

    @Test("All of a host's traffic takes WireGuard over guise, if guise's own packets are marked")
    func throughWireGuard() async throws {
      try await Topology.routed(nat: false) { net in
        // Strict: the way back to whom a packet is from must be the way that it came.
        try net.client.run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1")
        let tunnel = try await Tunnel.up(on: net, clientOptions: ["--fwmark", Self.mark])
        let network = try await WireGuardNetwork.up(through: tunnel)
        try net.server.add("\(Self.far)/32", to: "lo")
        try network.takeDefaultRoute(exceptMark: Self.mark)
        try await Load.echo(in: net.server, at: "\(Self.far):7000")
        let application = try DatagramSocket.connected(to: "\(Self.far):7000", in: net.client)
        // WireGuard asks for a session again after 5 s, if its first question was lost.
        try await application.echo([1], within: .seconds(12))

        let before = try await tunnel.client.counters()["datagrams in"]
        let report = try await Load.send(
          in: net.client, to: "\(Self.far):7000", rate: "1000p", seconds: 1, "--size", "1000", "--echo")
        #expect(try #require(report.echo).received > report.sent * 9 / 10, "\(report)")
        // Each datagram of the application's is one of WireGuard's: none comes around again.
        let counters = try await tunnel.client.counters()
        #expect(try counters["datagrams in"] - before < report.sent + 20, "\(counters)")
        #expect(
          try await check(net, "--fwmark", Self.mark).contains("\(net.serverAddress4) is reached by eth0"))

        // And without the mark:
        #expect(try await check(net).contains("packets run in circles"))
        try await tunnel.client.stop()
        let unmarked = try await Gateway.start(Tunnel.clientArguments(on: net), in: net.client)
        await #expect(throws: Overdue.self) { try await application.echo([2], within: .seconds(2)) }
        let circling = try await unmarked.counters()
        #expect(try circling["datagrams in"] > 0 && circling["datagrams out"] == 0, "\(circling)")
      }
    }

    /// What `guise check` says of the way to the server.
    private func check(_ net: Topology, _ options: String...) async throws -> String {
      let command = try [Program.guise.get(), "check", "--attempts", "1"]
      let peer = ["--peer", "\(net.serverAddress4):\(Tunnel.port)"]
      let run = try net.client.start(command + peer + options)
      try await run.ended(within: .seconds(10))
      return run.output
    }
  }
}
