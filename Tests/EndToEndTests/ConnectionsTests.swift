import Testing

extension EndToEnd.Traffic {
  /// One application over several TCP flows.
  @Suite("Connections")
  struct Connections {
    private static let four = ["--connections", "4"]

    @Test(
      "An application is spread over four connections and hears every answer, once and whole",
      arguments: Variant.all)
    func spread(_ variant: Variant) async throws {
      try await Topology.pair { net in
        let tunnel = try await Tunnel.up(on: net, variant, clientOptions: Self.four)
        try await tunnel.echoService()
        let report = try await Load.send(
          in: net.client, to: Tunnel.entrance, rate: "5000p", seconds: 2, "--size", "64-1400", "--echo")
        let echo = try #require(report.echo)
        #expect(echo.flows == 1)
        #expect(echo.duplicated == 0 && echo.corrupt == 0, "\(echo)")
        #expect(try await echo.lost == tunnel.client.counters()["handshake-queue-full"])
        for gateway in tunnel.ends { #expect(try await gateway.counters()["flows opened"] == 4) }
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
  }
}
