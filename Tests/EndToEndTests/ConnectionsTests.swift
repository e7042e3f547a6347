import Testing

extension EndToEnd.Traffic {
  /// One application over several TCP flows.
  @Suite("Connections")
  struct Connections {
    private static let four = ["--connections", "4"]

    /// Has one application send to an echo for 2 s, and hear every answer, once and whole.
    private static func hearEveryAnswer(_ tunnel: Tunnel, from host: Namespace) async throws {
      try await tunnel.echoService()
      let report = try await Load.send(
        in: host, to: Tunnel.entrance, rate: "5000p", seconds: 2, "--size", "64-1400", "--echo")
      let echo = try #require(report.echo)
      #expect(echo.flows == 1)
      #expect(echo.duplicated == 0 && echo.corrupt == 0, "\(echo)")
      #expect(try await echo.lost == tunnel.client.counters()["handshake-queue-full"])
    }

    @Test(
      "An application is spread over four connections and hears every answer, once and whole",
      arguments: Variant.all)
    func spread(_ variant: Variant) async throws {
      try await Topology.pair { net in
        let tunnel = try await Tunnel.up(on: net, variant, clientOptions: Self.four)
        try await Self.hearEveryAnswer(tunnel, from: net.client)
        for gateway in tunnel.ends { #expect(try await gateway.counters()["flows opened"] == 4) }
      }
    }

    @Test(
      "Connections are shared out among the workers, each of which carries its part of one application",
      arguments: Variant.several)
    func shared(_ variant: Variant) async throws {
      try await Topology.pair { net in
        let tunnel = try await Tunnel.up(on: net, variant, clientOptions: Self.four + ["--spread", "auto"])
        try await Self.hearEveryAnswer(tunnel, from: net.client)
        let counters = try await tunnel.client.counters()
        let sharing = min(variant.workers, 4)
        let flows = counters.byWorker("flows opened")
        #expect(try counters["flows opened"] == 4 && flows.max() == 4 / sharing, "\(flows)")
        let datagrams = counters.byWorker("datagrams in").filter { $0 > 0 }
        #expect(datagrams.count == sharing)
        #expect(datagrams.allSatisfy { $0 > 10_000 / sharing / 2 }, "\(datagrams)")
      }
    }

    @Test("Without the right to share them out, an application's connections are one worker's")
    func refusedSharing() async throws {
      try await Topology.pair { net in
        let server = try await Gateway.start(Tunnel.serverArguments, in: net.server)
        let client = try await Gateway.start(
          Tunnel.clientArguments(on: net) + ["--workers", "2", "--spread", "auto"] + Self.four,
          in: net.client,
          wrapper: Gateway.withoutBPF)
        #expect(client.log.contains("each program's connections are one worker's, since"))
        try await Load.echo(in: net.server, at: Tunnel.service)
        let application = try DatagramSocket.connected(to: Tunnel.entrance, in: net.client)
        for _ in 0..<40 { try await application.echo([1], within: .seconds(2)) }
        #expect(try await client.counters().byWorker("flows opened").sorted() == [0, 4])
        #expect(try await server.counters()["flows opened"] == 4)
      }
    }

    @Test("The service sees a sender for each connection and may answer any of them")
    func senders() async throws {
      try await Topology.pair { net in
        let tunnel = try await Tunnel.up(on: net, clientOptions: Self.four)
        let (application, service) = (try tunnel.application(), try tunnel.listener())
        for number in 0..<100 {
          try application.send([UInt8(number)])
          try await Task.sleep(for: .milliseconds(2))
        }
        let arrivals = try await service.drain()
        #expect(Set(arrivals.map(\.bytes)).count == 100)
        let senders = Dictionary(grouping: arrivals, by: \.source.port)
        #expect(senders.count == 4)
        for (number, arrivals) in senders.values.enumerated() {
          try service.send([UInt8(200 + number)], to: arrivals[0].source)
          #expect(try await application.next().bytes == [UInt8(200 + number)])
        }
      }
    }

    @Test("Numbers of connections that make no sense are refused", arguments: ["0", "65", "x"])
    func refused(_ count: String) async throws {
      try await Topology.lone { host in
        let client = try Gateway.launch(
          ["client", "--local", Tunnel.entrance, "--remote", "10.66.1.2:4567", "--connections", count],
          in: host)
        #expect(try await client.process.ended(within: .seconds(3)) == .code(2))
        #expect(client.log.contains("--connections"))
      }
    }

    @Test("There is nothing to share out of one connection")
    func spreadOfOne() async throws {
      try await Topology.lone { host in
        let client = try Gateway.launch(
          ["client", "--local", Tunnel.entrance, "--remote", "10.66.1.2:4567", "--spread", "auto"], in: host)
        #expect(try await client.process.ended(within: .seconds(3)) == .code(2))
        #expect(client.log.contains("it needs '--connections' of 2 or more"))
      }
    }
  }
}
