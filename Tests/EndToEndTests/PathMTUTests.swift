import Testing

extension EndToEnd.Faults {
  /// Narrow places on the path, which routers tell of by ICMP, and jumbo frames.
  @Suite("Path MTU")
  struct PathMTU {
    @Test(
      "A client learns of a narrow link behind a router, says what fits, and what fits arrives",
      arguments: [
        (Tunnel.Transport.ipv4, false, 1360, "auto"), (.ipv4, true, 1360, "auto"),
        (.ipv6, false, 1340, "auto"),
        (.ipv4, true, 1360, "tracked"), (.ipv6, false, 1340, "tracked"),
        (.ipv4, true, 1360, "stateless"), (.ipv6, false, 1340, "stateless"),
      ], Variant.all)
    func narrowUp(_ path: (Tunnel.Transport, Bool, Int, String), _ variant: Variant) async throws {
      let (transport, nat, limit, firewall) = path
      try await Topology.routed(nat: nat) { net in
        try #require(net.router).ip("link", "set", "outside", "mtu", "1400")
        try net.server.ip("link", "set", "eth0", "mtu", "1400")
        let tunnel = try await Tunnel.up(
          on: net, variant, over: transport, clientOptions: ["--firewall", firewall])
        let (application, service) = (try tunnel.application(), try tunnel.listener())
        try application.send([1])
        let source = try await service.next().source
        try service.send([2], to: source)
        #expect(try await application.next().bytes == [2])

        try application.send([UInt8](repeating: 3, count: limit + 1))
        try await tunnel.client.counts("path MTU updates", 1)
        try await until("the log to tell of the narrow path", within: .seconds(1)) {
          !tunnel.client.logLines(with: "takes packets of 1400 bytes").isEmpty
        }
        let lines = tunnel.client.logLines(with: "takes packets of 1400 bytes")
        #expect(lines.count == 1)
        #expect(lines.first?.contains(" \(limit) ") == true)
        #expect(lines.first?.hasSuffix("an MTU of \(limit - 32)") == true)

        for _ in 0..<3 { try application.send([UInt8](repeating: 4, count: limit + 1)) }
        try application.send([UInt8](repeating: 5, count: limit))
        #expect(try await service.drain().map(\.bytes.count) == [limit])
        #expect(try await tunnel.client.counters()["datagram-too-large"] == 3)
        #expect(tunnel.client.logLines(with: "a datagram of \(limit + 1) bytes was dropped").count == 1)
      }
    }

    @Test(
      "What other traffic of the host has learned of the path does not keep a flow from learning it",
      arguments: [(Tunnel.Transport.ipv4, "tc", 1360), (.ipv6, "tc", 1340), (.ipv4, "tracked", 1360)])
    func learnedByOthers(_ transport: Tunnel.Transport, _ firewall: String, _ limit: Int) async throws {
      try await Topology.routed(nat: false) { net in
        try #require(net.router).ip("link", "set", "outside", "mtu", "1400")
        try net.server.ip("link", "set", "eth0", "mtu", "1400")
        let tunnel = try await Tunnel.up(
          on: net, over: transport, clientOptions: ["--firewall", firewall])
        let (application, service) = (try tunnel.application(), try tunnel.listener())
        try application.send([1])
        _ = try await service.next()
        let address = transport == .ipv4 ? net.serverAddress4 : net.serverAddress6
        // Nobody answers it.
        _ = try? net.client.run("ping", "-c", "1", "-W", "1", "-M", "do", "-s", "1440", address)
        #expect(try net.client.run("ip", "route", "get", address).contains("mtu 1400"))
        try application.send([UInt8](repeating: 3, count: limit + 1))
        try await tunnel.client.counts("path MTU updates", 1)
        try application.send([UInt8](repeating: 5, count: limit))
        #expect(try await service.drain().map(\.bytes.count) == [limit])
      }
    }

    @Test(
      "A server learns of a narrow link on the way back, behind its own address translation",
      arguments: [
        (Tunnel.Transport.ipv4, false, 1240, "auto"), (.ipv4, true, 1240, "auto"),
        (.ipv6, false, 1220, "auto"),
        (.ipv4, true, 1240, "tracked"), (.ipv6, false, 1220, "tracked"),
        (.ipv4, true, 1240, "stateless"), (.ipv6, false, 1220, "stateless"),
      ])
    func narrowDown(
      _ transport: Tunnel.Transport, _ nat: Bool, _ limit: Int, _ firewall: String
    ) async throws {
      try await Topology.routed(nat: nat) { net in
        try #require(net.router).ip("link", "set", "inside", "mtu", "1280")
        try net.client.ip("link", "set", "eth0", "mtu", "1280")
        let tunnel = try await Tunnel.up(
          on: net, Variant.all.last!, over: transport, serverOptions: ["--firewall", firewall])
        let (application, service) = (try tunnel.application(), try tunnel.listener())
        try application.send([1])
        let source = try await service.next().source
        try service.send([UInt8](repeating: 3, count: 1400), to: source)
        try await tunnel.server.counts("path MTU updates", 1)
        try service.send([UInt8](repeating: 4, count: limit + 1), to: source)
        try service.send([UInt8](repeating: 5, count: limit), to: source)
        #expect(try await application.drain().map(\.bytes.count) == [limit])
        #expect(try await tunnel.server.counters()["datagram-too-large"] == 1)
      }
    }

    @Test("Trains are measured like single segments: a stream that is too large stops, one that fits flows")
    func trains() async throws {
      try await Topology.routed(nat: true) { net in
        try #require(net.router).ip("link", "set", "outside", "mtu", "1400")
        try net.server.ip("link", "set", "eth0", "mtu", "1400")
        let tunnel = try await Tunnel.up(on: net)
        let service = try await tunnel.echoService()
        for (size, arrives) in [(1400, false), (1360, true)] {
          let report = try await Load.send(
            in: net.client, to: Tunnel.entrance, rate: "100M", seconds: 1, "--size", "\(size)", "--echo")
          let echo = try #require(report.echo)
          #expect(arrives ? echo.received == report.sent : echo.received == 0, "\(size) bytes: \(echo)")
        }
        // Each of the two applications has a flow of its own; the first learnt of the path.
        #expect(try await tunnel.client.counters()["path MTU updates"] == 1)
        withExtendedLifetime(service) {}
      }
    }

    @Test(
      "With several workers, the one that has the flow learns, whoever reads the error",
      arguments: Variant.several)
    func severalWorkers(_ variant: Variant) async throws {
      try await Topology.routed(nat: false) { net in
        try #require(net.router).ip("link", "set", "outside", "mtu", "1400")
        try net.server.ip("link", "set", "eth0", "mtu", "1400")
        let tunnel = try await Tunnel.up(on: net, variant)
        try await tunnel.echoService()
        let flows = 10 * variant.workers
        let applications = try (0..<flows).map { _ in try tunnel.application() }
        for application in applications { try await application.echo([1], within: .seconds(2)) }
        for application in applications { try application.send([UInt8](repeating: 1, count: 1400)) }
        try await tunnel.client.counts("path MTU updates", flows)
        let byWorker = try await tunnel.client.counters().byWorker("path MTU updates")
        #expect(byWorker.count == variant.workers && byWorker.allSatisfy { $0 > 0 }, "\(byWorker)")
        for application in applications {
          try await application.echo([UInt8](repeating: 2, count: 1360), within: .seconds(2))
        }
      }
    }

    @Test("The host's own link may get narrower while a flow is open", arguments: [true, false])
    func shrinkingLink(_ atClient: Bool) async throws {
      try await Topology.pair { net in
        let tunnel = try await Tunnel.up(on: net)
        let (application, service) = (try tunnel.application(), try tunnel.listener())
        try application.send([UInt8](repeating: 1, count: 1460))
        let source = try await service.next().source
        try (atClient ? net.client : net.server).ip("link", "set", "eth0", "mtu", "1000")
        func send(_ size: Int) throws {
          let bytes = [UInt8](repeating: 2, count: size)
          if atClient { try application.send(bytes) } else { try service.send(bytes, to: source) }
        }
        try send(1460)
        try await (atClient ? tunnel.client : tunnel.server).counts("path MTU updates", 1)
        try send(961)
        try send(960)
        #expect(try await (atClient ? service : application).drain().map(\.bytes.count) == [960])
      }
    }

    @Test("An MTU that is asked for and larger than the client's link is cut down to it")
    func askedForTooMuch() async throws {
      try await Topology.pair { net in
        let tunnel = try await Tunnel.up(on: net, clientOptions: ["--mtu", "9000"])
        try await tunnel.echoService()
        #expect(tunnel.client.logLines(with: "'--mtu 9000' is more than").count == 1)
        try await tunnel.application().echo([UInt8](repeating: 1, count: 1460), within: .seconds(2))
        try tunnel.application().send([UInt8](repeating: 1, count: 1461))
        try await tunnel.client.counts("datagram-too-large", 1)
      }
    }

    @Test(
      "A gateway with a smaller MTU than its peer takes what the peer sends",
      arguments: ["tc", "tracked"])
    func smallerThanThePeers(_ firewall: String) async throws {
      try await Topology.pair { net in
        let tunnel = try await Tunnel.up(on: net, serverOptions: ["--mtu", "1300", "--firewall", firewall])
        let (application, service) = (try tunnel.application(), try tunnel.listener())
        try application.send([1])
        let source = try await service.next().source
        let arrives = firewall == "tc"
        for size in [1_400, 1_200, 1_460] {
          try application.send([UInt8](repeating: 3, count: size))
          if !arrives && size == 1_400 { try await tunnel.client.counts("path MTU updates", 1) }
        }
        #expect(try await service.drain().map(\.bytes.count) == (arrives ? [1_400, 1_200, 1_460] : [1_200]))
        try service.send([UInt8](repeating: 4, count: 1_261), to: source)
        try service.send([UInt8](repeating: 5, count: 1_260), to: source)
        #expect(try await application.drain().map(\.bytes.count) == [1_260])
        #expect(try await tunnel.server.counters()["datagram-too-large"] == 1)
      }
    }

    @Test(
      "Jumbo frames are noticed, and carry datagrams of every size up to theirs",
      arguments: [(Tunnel.Transport.ipv4, 8960), (.ipv6, 8940)],
      [[], ["--mtu", "9000"], ["--offload", "off"]])
    func jumbo(_ path: (Tunnel.Transport, Int), _ options: [String]) async throws {
      let (transport, limit) = path
      try await Topology.pair { net in
        for host in [net.client, net.server] { try host.ip("link", "set", "eth0", "mtu", "9000") }
        let tunnel = try await Tunnel.up(
          on: net, over: transport, clientOptions: options, serverOptions: options)
        for gateway in tunnel.ends { #expect(gateway.logLines(with: ": MTU 9000,").count == 1) }
        try await tunnel.echoService()
        let sizes = (limit - 800)...limit
        let swept = try await Load.sweep(in: net.client, to: Tunnel.entrance, sizes: sizes)
        #expect(swept.intact == sizes.count, "\(swept)")
        let small = try await Load.sweep(in: net.client, to: Tunnel.entrance, sizes: 1400...1600)
        #expect(small.intact == 201, "\(small)")
        try tunnel.application().send([UInt8](repeating: 0, count: limit + 1))
        try await tunnel.client.counts("datagram-too-large", 1)
      }
    }

    @Test("A stream of jumbo datagrams arrives whole", .alone, arguments: Variant.all)
    func jumboStream(_ variant: Variant) async throws {
      try await Topology.pair { net in
        for host in [net.client, net.server] { try host.ip("link", "set", "eth0", "mtu", "9000") }
        let tunnel = try await Tunnel.up(on: net, variant)
        try await tunnel.echoService()
        let report = try await Load.send(
          in: net.client, to: Tunnel.entrance, rate: "100M", seconds: 2, "--size", "8960", "--echo")
        let echo = try #require(report.echo)
        let counters = (try await tunnel.client.counters(), try await tunnel.server.counters())
        #expect(echo.received == report.sent, "\(counters)")
        #expect(echo.lost == 0 && echo.corrupt == 0 && echo.reordered == 0, "\(echo)")
      }
    }

    @Test("The largest packets of all work, and a link that takes more is no trouble")
    func largest() async throws {
      try await Topology.pair { net in
        for host in [net.client, net.server] { try host.ip("link", "set", "eth0", "mtu", "65535") }
        let tunnel = try await Tunnel.up(on: net)
        for gateway in tunnel.ends { #expect(gateway.logLines(with: ": MTU 65535,").count == 1) }
        try await tunnel.echoService()
        let swept = try await Load.sweep(in: net.client, to: Tunnel.entrance, sizes: 65_440...65_495)
        #expect(swept.intact == 56, "\(swept)")
        try tunnel.application().send([UInt8](repeating: 0, count: 65_496))
        try await tunnel.client.counts("datagram-too-large", 1)
      }
    }
  }
}
