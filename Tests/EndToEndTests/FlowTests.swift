import Testing

extension EndToEnd.Traffic {
  /// How flows open, close, and answer.
  @Suite("Flows")
  struct Flows {
    @Test(
      "A silent flow closes after the idle timeout, the log says so, and the next datagram opens another",
      arguments: Variant.mixed)
    func idle(_ variant: Variant) async throws {
      try await Topology.pair { net in
        let timeout = ["--idle-timeout", "2"]
        let tunnel = try await Tunnel.up(on: net, variant, clientOptions: timeout, serverOptions: timeout)
        try await tunnel.echoService()
        let application = try tunnel.application()
        try await application.echo([1], within: .seconds(2))
        for gateway in tunnel.ends { #expect(try await gateway.counters()["flows closed"] == 0) }

        for gateway in tunnel.ends {
          try await until("the log to tell of a closed flow", within: .seconds(5)) {
            !gateway.logLines(with: "flow closed").isEmpty
          }
          #expect(try await gateway.counters()["flows closed"] == 1)
        }
        try await application.echo([2], within: .seconds(2))
        for gateway in tunnel.ends { #expect(try await gateway.counters()["flows opened"] == 2) }
      }
    }

    @Test("The log tells between whom a flow runs, from the application to the service")
    func log() async throws {
      try await Topology.pair { net in
        let tunnel = try await Tunnel.up(on: net)
        try await tunnel.echoService()
        try await tunnel.application().echo([1], within: .seconds(2))
        for (gateway, ends) in [
          (tunnel.client, ["127.0.0.1:", "\(net.serverAddress4):4567"]),
          (tunnel.server, ["\(net.clientAddress4):", Tunnel.service]),
        ] {
          try await until("the log to tell of a flow", within: .seconds(1)) {
            !gateway.logLines(with: "flow opened").isEmpty
          }
          let line = try #require(gateway.logLines(with: "flow opened").first)
          for end in ends { #expect(line.contains(end)) }
        }
      }
    }

    @Test("Traffic one way keeps a flow open at both ends", arguments: [true, false])
    func oneWayIsNotIdle(_ up: Bool) async throws {
      try await Topology.pair { net in
        let timeout = ["--idle-timeout", "2"]
        let tunnel = try await Tunnel.up(on: net, clientOptions: timeout, serverOptions: timeout)
        let (application, service) = (try tunnel.application(), try tunnel.listener())
        try application.send([0])
        let source = try await service.next().source
        for number in UInt8(1)...10 {
          try await Task.sleep(for: .milliseconds(400))
          if up { try application.send([number]) } else { try service.send([number], to: source) }
          #expect(try await (up ? service : application).next().bytes == [number])
        }
        for gateway in tunnel.ends {
          let table = try await gateway.counters()
          #expect(try table["flows opened"] == 1)
          #expect(try table["flows closed"] == 0)
        }
      }
    }

    @Test(
      "Closed flows give their sockets back, and hundreds of flows come and go", arguments: Variant.mixed)
    func churn(_ variant: Variant) async throws {
      try await Topology.pair { net in
        let timeout = ["--idle-timeout", "1"]
        let tunnel = try await Tunnel.up(
          on: net, variant, clientOptions: timeout, serverOptions: timeout)
        try await tunnel.echoService()
        let atRest = try net.server.datagramSocketCount
        for round in 1...3 {
          let report = try await Load.send(
            in: net.client, to: Tunnel.entrance, rate: "2000p", seconds: 1,
            "--flows", "300", "--size", "100", "--echo")
          #expect(report.echo?.lost == 0)
          #expect(try net.server.datagramSocketCount == atRest + 300)
          try await until("all flows to close", within: .seconds(5)) {
            try net.server.datagramSocketCount <= atRest
          }
          #expect(try await tunnel.server.counters()["flows closed"] == 300 * round)
        }
      }
    }

    @Test("Each application has its own flow, and answers find the one who asked")
    func manyApplications() async throws {
      try await Topology.pair { net in
        let tunnel = try await Tunnel.up(on: net, .shared)
        let service = try tunnel.listener()
        let applications = try (0..<20).map { _ in try tunnel.application() }
        for (number, application) in applications.enumerated() { try application.send([UInt8(number)]) }
        let arrivals = try await service.drain()
        #expect(Set(arrivals.map(\.bytes)).count == 20)
        #expect(Set(arrivals.map(\.source.port)).count == 20, "two applications share a source port")
        for arrival in arrivals { try service.send(arrival.bytes + [99], to: arrival.source) }
        for (number, application) in applications.enumerated() {
          #expect(try await application.next().bytes == [UInt8(number), 99])
        }
      }
    }

    @Test("Every worker carries flows, at both ends", arguments: Variant.several)
    func sharedWork(_ variant: Variant) async throws {
      try await Topology.pair { net in
        let tunnel = try await Tunnel.up(on: net, variant)
        try await tunnel.echoService()
        for _ in 0..<20 * variant.workers { try await tunnel.application().echo([1], within: .seconds(2)) }
        for gateway in tunnel.ends {
          let flows = try await gateway.counters().byWorker("flows opened")
          #expect(flows.count == variant.workers)
          #expect(flows.allSatisfy { $0 >= 5 }, "an uneven share: \(flows)")
        }
      }
    }

    @Test(
      "Answers leave from the address that the client was spoken to",
      arguments: [
        ("0.0.0.0:1234", ["10.77.0.1", "10.77.0.2", "127.0.0.1"]),
        ("[::]:1234", ["[fd77::1]", "[fd77::2]", "[::1]", "10.77.0.1", "10.77.0.2"]),
      ], Variant.mixed)
    func answerAddress(_ local: (String, [String]), _ variant: Variant) async throws {
      try await Topology.pair { net in
        for address in ["10.77.0.1/32", "10.77.0.2/32", "fd77::1/128", "fd77::2/128"] {
          try net.client.add(address, to: "lo")
        }
        _ = try await Gateway.start(Tunnel.serverArguments, in: net.server)
        _ = try await Gateway.start(
          ["client", "--local", local.0, "--remote", "\(net.serverAddress4):4567"] + variant.arguments,
          in: net.client)
        try await Load.echo(in: net.server, at: Tunnel.service)
        for address in local.1 {
          // A connected socket hears its peer's address alone.
          let application = try DatagramSocket.connected(to: "\(address):1234", in: net.client)
          try await application.echo([1], within: .seconds(2))
        }
      }
    }

    @Test("The client's handshake packet reaches the service before the first datagram")
    func clientHandshakePacket() async throws {
      try await Topology.pair { net in
        let packet = Array("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n".utf8)
        let tunnel = try await Tunnel.up(
          on: net, clientOptions: ["--handshake-packet", try net.client.file("packet", packet)])
        let (application, service) = (try tunnel.application(), try tunnel.listener())
        for number in UInt8(0)..<3 { try application.send([number]) }
        #expect(try await service.drain().map(\.bytes) == [packet, [0], [1], [2]])
      }
    }

    @Test("The server's handshake packet reaches the application before the first answer")
    func serverHandshakePacket() async throws {
      try await Topology.pair { net in
        let packet = Array("HTTP/1.1 200 OK\r\n\r\n".utf8)
        let tunnel = try await Tunnel.up(
          on: net, serverOptions: ["--handshake-packet", try net.client.file("packet", packet)])
        let (application, service) = (try tunnel.application(), try tunnel.listener())
        try application.send([1])
        try service.send([2], to: try await service.next().source)
        #expect(try await application.drain().map(\.bytes) == [packet, [2]])
      }
    }

  }
}
