import Testing

extension EndToEnd.Traffic {
  /// What strangers can do to a server that has work to do.
  @Suite("Floods")
  struct Floods {
    private static let synCount = 200_000
    private static let memoryMax = 8_000_000

    /// Past connection tracking, so that every SYN reaches the server.
    @Test(
      "Two hundred thousand SYNs that nobody completes take no memory and little of a live flow", .alone,
      arguments: Variant.eachEngine(workers: 1))
    func unansweredSYNs(_ variant: Variant) async throws {
      try await Topology.routed(nat: false) { net in
        let router = try #require(net.router)
        try router.ip("route", "add", "blackhole", SynFlood.senders)
        let tunnel = try await Tunnel.up(on: net, variant, serverOptions: ["--firewall", "stateless"])
        try await tunnel.echoService()
        try await tunnel.application().echo([1], within: .seconds(2))
        let load = try Load.startSending(
          in: net.client, to: Tunnel.entrance, rate: "2000p", seconds: 6, ["--size", "500", "--echo"])
        try await Task.sleep(for: .milliseconds(500))
        let server = tunnel.server
        let before = (taken: try server.memoryTaken(), touched: try server.memoryTouched())

        var flood = try SynFlood(from: router, to: net.serverAddress4, port: UInt16(Tunnel.port))
        try flood.send(Self.synCount, seconds: 4)

        let report = try await Load.report(Load.Sent.self, of: load, within: .seconds(15))
        let after = (taken: try server.memoryTaken(), touched: try server.memoryTouched())
        #expect(after.taken - before.taken < Self.memoryMax, "\(after.taken - before.taken) bytes taken")
        #expect(
          after.touched - before.touched < Self.memoryMax, "\(after.touched - before.touched) bytes touched")
        let echo = try #require(report.echo)
        #expect(Double(echo.lost) <= 0.01 * Double(report.sent), "lost \(echo.lost) of \(report.sent)")
        let table = try await server.counters()
        #expect(try table["cookies sent"] > Self.synCount / 2, "the flood did not arrive: \(table)")
        #expect(try table["flows opened"] == 2)
      }
    }

    @Test("Three workers together have as many flows as the end may have", arguments: ["client", "server"])
    func flowsOfAllWorkers(end: String) async throws {
      try await Topology.pair { net in
        let options = ["--workers", "3", "--max-flows", "40"]
        // All flows come from one address.
        let serverOptions = ["--max-flows-per-source", "200"]
        let tunnel = try await Tunnel.up(
          on: net, clientOptions: end == "client" ? options : [],
          serverOptions: serverOptions + (end == "server" ? options : []))
        try await tunnel.echoService()
        let report = try await Load.send(
          in: net.client, to: Tunnel.entrance, rate: "600p", seconds: 2, "--flows", "120", "--echo")
        #expect(report.echo?.flows == 40)
        let limited = end == "client" ? tunnel.client : tunnel.server
        let table = try await limited.counters()
        #expect(try table["flow-table-full"] > 0)
        #expect(limited.logLines(with: "all 40 flows").count >= 1)
      }
    }

    @Test("A source has as many flows as it may, and the next one is told of in the log")
    func flowsPerSource() async throws {
      try await Topology.pair { net in
        let tunnel = try await Tunnel.up(on: net, serverOptions: ["--max-flows-per-source", "5"])
        try await tunnel.echoService()
        let report = try await Load.send(
          in: net.client, to: Tunnel.entrance, rate: "200p", seconds: 2, "--flows", "20", "--echo")
        #expect(report.echo?.flows == 5)
        let table = try await tunnel.server.counters()
        #expect(try table["flows opened"] == 5 && table["source-flows-full"] > 0)
        #expect(tunnel.server.logLines(with: "\(net.clientAddress4) has 5 flows").count == 1)
      }
    }
  }
}
