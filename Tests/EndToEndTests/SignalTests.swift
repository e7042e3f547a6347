import Glibc
import Testing

extension EndToEnd.Operation {
  /// What signals do, and what the counters say.
  @Suite("Signals and counters")
  struct Signals {
    @Test(
      "SIGINT and SIGTERM end both ends with exit code 0 within three seconds", arguments: [SIGINT, SIGTERM])
    func end(_ signal: Int32) async throws {
      try await Topology.pair { net in
        let tunnel = try await Tunnel.up(on: net)
        try await tunnel.echoService()
        try await tunnel.application().echo([1], within: .seconds(2))
        #expect(try await tunnel.client.stop(signal, within: .seconds(3)) == .code(0))
        #expect(try await tunnel.server.stop(signal, within: .seconds(3)) == .code(0))
      }
    }

    @Test("SIGTERM ends both ends within three seconds under full load", arguments: Variant.all)
    func endUnderLoad(_ variant: Variant) async throws {
      try await Topology.pair { net in
        let tunnel = try await Tunnel.up(on: net, variant)
        _ = try await Load.sink(in: net.server, at: Tunnel.service)
        _ = try Load.startSending(in: net.client, to: Tunnel.entrance, rate: "max", seconds: 20)
        try await Task.sleep(for: .seconds(1))
        #expect(try await tunnel.server.stop(within: .seconds(3)) == .code(0))
        #expect(try await tunnel.client.stop(within: .seconds(3)) == .code(0))
      }
    }

    @Test("SIGUSR1 shows what passed, while it goes on passing", arguments: Variant.all)
    func counters(_ variant: Variant) async throws {
      try await Topology.pair { net in
        let tunnel = try await Tunnel.up(on: net, variant)
        let service = try tunnel.listener()
        let application = try tunnel.application()
        for round in 1...2 {
          for _ in 0..<50 { try application.send([UInt8](repeating: 9, count: 100)) }
          let arrivals = try await service.drain()
          #expect(arrivals.count == 50)
          for _ in 0..<20 { try service.send([UInt8](repeating: 8, count: 300), to: arrivals[0].source) }
          #expect(try await application.drain().count == 20)

          for (gateway, incoming, outgoing) in [(tunnel.client, 50, 20), (tunnel.server, 20, 50)] {
            let table = try await gateway.counters()
            #expect(try table["datagrams in"] == incoming * round)
            #expect(try table["datagrams out"] == outgoing * round)
            #expect(try table["datagram bytes in"] == incoming * round * (incoming == 50 ? 100 : 300))
            #expect(try table["datagram bytes out"] == outgoing * round * (outgoing == 50 ? 100 : 300))
            #expect(try table["flows opened"] == 1)
            #expect(try table["flows closed"] == 0)
          }
        }
      }
    }

    @Test("The books balance at the end: what came in went out or was dropped", arguments: Variant.all)
    func balance(_ variant: Variant) async throws {
      try await Topology.pair { net in
        let tunnel = try await Tunnel.up(on: net, variant)
        try await tunnel.echoService()
        let report = try await Load.send(
          in: net.client, to: Tunnel.entrance, rate: "5000p", seconds: 3,
          "--flows", "5", "--size", "64-1470", "--echo")
        for gateway in tunnel.ends {
          #expect(try await gateway.stop() == .code(0))
          let table = try gateway.finalCounters()
          #expect(try table["datagrams in"] == table["segments out"] + table.dropsOfDatagrams, "\(table)")
          let arrived = try table["segments in"] - table["control segments in"]
          #expect(try arrived == table["datagrams out"] + table.dropsOfSegments, "\(table)")
          #expect(table.dropsOfEither == 0)
        }
        let (client, server) = (try tunnel.client.finalCounters(), try tunnel.server.finalCounters())
        #expect(try client["datagrams in"] == report.sent)
        #expect(try client["datagram-too-large"] > 0)
        for (sender, receiver) in [(client, server), (server, client)] {
          #expect(try sender["segments out"] == receiver["datagrams out"] + receiver.dropsOfSegments)
        }
      }
    }
  }
}
