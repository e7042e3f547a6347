import Testing

extension EndToEnd.Traffic {
  /// The addresses from which a server's flows speak to the service, and what happens when their ports, or
  /// anything else that a flow needs, are used up.
  @Suite("Sources and full port spaces")
  struct Sources {
    @Test(
      "Flows leave from the source addresses in turn, and answers come back",
      arguments: Variant.eachEngine())
    func inTurn(_ variant: Variant) async throws {
      try await Topology.pair { net in
        try net.server.add("fd77::1/128", to: "lo")
        let tunnel = try await Tunnel.up(
          on: net, variant, serverOptions: ["--source", "127.0.0.2,127.0.0.3,10.66.1.2"])
        let service = try tunnel.listener()
        var hosts: [String: Int] = [:]
        for number in UInt8(0)..<12 {
          let application = try tunnel.application()
          try application.send([number])
          let arrival = try await service.next()
          hosts[arrival.source.host, default: 0] += 1
          try service.send([number, 1], to: arrival.source)
          #expect(try await application.next().bytes == [number, 1])
        }
        // Each of two workers takes its own turns, one address apart: however the flows are shared out, no
        // address has more than one over or under. With more workers that would be luck.
        #expect(Set(hosts.keys) == ["127.0.0.2", "127.0.0.3", "10.66.1.2"])
        #expect(hosts.values.allSatisfy { 3...5 ~= $0 })
      }
    }

    @Test("An IPv6 service is spoken to from IPv6 sources")
    func ipv6() async throws {
      try await Topology.pair { net in
        try net.server.add("fd77::1/128", to: "lo")
        try net.server.add("fd77::2/128", to: "lo")
        _ = try await Gateway.start(
          ["server", "--local", "4567", "--remote", "[::1]:5000", "--source", "fd77::1,fd77::2"],
          in: net.server)
        _ = try await Gateway.start(Tunnel.clientArguments(on: net), in: net.client)
        let service = try DatagramSocket.bound(to: "[::1]:5000", in: net.server)
        var hosts: Set<String> = []
        for _ in 0..<4 {
          try DatagramSocket.connected(to: Tunnel.entrance, in: net.client).send([1])
          hosts.insert(try await service.next().source.host)
        }
        #expect(hosts == ["fd77::1", "fd77::2"])
      }
    }

    static let refusals: [(sources: String, service: String, words: [String])] = [
      ("127.0.0.1,192.0.2.9", "127.0.0.1:5000", ["no address 192.0.2.9", "ip address add"]),
      ("::1", "127.0.0.1:5000", ["IPv6", "the service's is 127.0.0.1"]),
      ("127.0.0.1", "10.66.9.9:5000", ["cannot be reached from '--source' 127.0.0.1"]),
    ]

    @Test("Sources that cannot be used are named, and nothing is changed", arguments: refusals)
    func refused(_ refusal: (sources: String, service: String, words: [String])) async throws {
      try await Topology.lone { host in
        let before = try HostState(of: host)
        let process = try host.start([
          try Program.guise.get(), "server", "--local", "4567", "--remote", refusal.service, "--source",
          refusal.sources,
        ])
        #expect(try await process.ended(within: .seconds(5)) == .code(1))
        for word in refusal.words { #expect(process.log.contains(word), "in \(process.log)") }
        try before.expectUnchanged(on: host)
      }
    }

    @Test(
      "When no UDP port is left, flows are refused and counted, the log says what helps, and the rest goes on",
      arguments: Variant.mixed)
    func portsUsedUp(_ variant: Variant) async throws {
      try await Topology.pair { net in
        let tunnel = try await Tunnel.up(
          on: net, variant, serverOptions: ["--source", "127.0.0.2,127.0.0.3"])
        try net.server.run("sysctl", "-qw", "net.ipv4.ip_local_port_range=40000 40003")
        let service = try tunnel.listener()
        // Four ports at each of two addresses.
        let applications = try (0..<12).map { _ in try tunnel.application() }
        for (number, application) in applications.enumerated() { try application.send([UInt8(number)]) }
        let arrivals = try await service.drain()
        #expect(Set(arrivals.map { "\($0.source)" }).count == 8)
        let server = try await tunnel.server.counters()
        #expect(try server["flows opened"] == 8)
        #expect(try server["socket-unavailable"] >= 4)
        try await until("the log to say what helps", within: .seconds(1)) {
          let lines = tunnel.server.logLines(with: "no UDP port is left")
          return lines.count == 1 && lines[0].contains("--source")
        }
        for arrival in arrivals {
          try service.send(arrival.bytes + [99], to: arrival.source)
          let number = arrival.bytes[0]
          #expect(try await applications[Int(number)].next().bytes == [number, 99])
        }
      }
    }

    @Test(
      "When descriptors limit a server's flows, further ones are refused and counted, and the log says so",
      arguments: Variant.mixed)
    func descriptorsUsedUp(_ variant: Variant) async throws {
      try await Topology.pair { net in
        let server = try await Gateway.start(
          Tunnel.serverArguments
            + ["--engine", variant.engine, "--workers", "1", "--max-flows-per-source", "40"],
          in: net.server, wrapper: ["prlimit", "--nofile=228:228"])
        let client = try await Gateway.start(Tunnel.clientArguments(on: net), in: net.client)
        let tunnel = Tunnel(net: net, client: client, server: server)
        #expect(server.log.contains("at most 32 flows at once"))
        let service = try tunnel.listener()
        let applications = try (0..<40).map { _ in try tunnel.application() }
        for (number, application) in applications.enumerated() { try application.send([UInt8(number)]) }
        #expect(Set(try await service.drain().map { "\($0.source)" }).count == 32)
        #expect(try await server.counters()["flow-table-full"] >= 8)
        try await until("the log to say that it is full", within: .seconds(1)) {
          server.logLines(with: "all 32 flows").count == 1
        }
      }
    }
  }
}
