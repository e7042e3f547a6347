import Glibc
import Testing

extension EndToEnd.Operation {
  /// A gateway leaves its host as it found it.
  @Suite("Clean-up")
  struct CleanUp {
    @Test("Nothing stays behind after SIGTERM and SIGINT", arguments: [SIGTERM, SIGINT], Variant.mixed)
    func orderly(_ signal: Int32, _ variant: Variant) async throws {
      try await Topology.pair { net in
        let before = [try HostState(of: net.client), try HostState(of: net.server)]
        let tunnel = try await Tunnel.up(on: net, variant)
        try await tunnel.echoService()
        try await tunnel.application().echo([1], within: .seconds(2))
        for (host, before) in zip([net.client, net.server], before) {
          #expect(try !HostState(of: host).changes(since: before).isEmpty, "a running gateway leaves traces")
        }
        for gateway in tunnel.ends { try await gateway.stop(signal) }
        for (host, before) in zip([net.client, net.server], before) {
          try before.expectUnchanged(on: host)
        }
      }
    }

    @Test("What a killed gateway left is gone after the next one's orderly end")
    func afterKill() async throws {
      try await Topology.pair { net in
        let before = [try HostState(of: net.client), try HostState(of: net.server)]
        let killed = try await Tunnel.up(on: net)
        for gateway in [killed.client, killed.server] { try await gateway.stop(SIGKILL) }
        let tunnel = try await Tunnel.up(on: net)
        try await tunnel.echoService()
        try await tunnel.application().echo([1], within: .seconds(2))
        for gateway in tunnel.ends { try await gateway.stop(SIGTERM) }
        for (host, before) in zip([net.client, net.server], before) {
          try before.expectUnchanged(on: host)
        }
      }
    }

    /// With other addresses, what conntrack remembers of living flows would lead to nowhere.
    @Test("Whoever takes a killed gateway's place gets its addresses", arguments: Variant.mixed)
    func sameAddressesAfterKill(_ variant: Variant) async throws {
      try await Topology.pair { net in
        for _ in 0..<5 {
          let server = try await Gateway.start(Tunnel.serverArguments + variant.arguments, in: net.server)
          #expect(server.logLines(with: "are taken on this host").isEmpty)
          try await server.stop(SIGKILL)
        }
        try await Gateway.start(Tunnel.serverArguments, in: net.server).stop()
      }
    }

    @Test("What a killed gateway left is gone after `guise cleanup`, and what a live one needs is not")
    func cleanupCommand() async throws {
      try await Topology.pair { net in
        let before = try HostState(of: net.client)
        let killed = try await Gateway.start(Tunnel.clientArguments(on: net), in: net.client)
        let tunnel = try await Tunnel.up(on: net, clientOptions: ["--local", "127.0.0.1:1235"])
        try await killed.stop(SIGKILL)
        try net.client.run(Program.guise.get(), "cleanup")
        try await tunnel.echoService()
        try await DatagramSocket.connected(to: "127.0.0.1:1235", in: net.client).echo(
          [1], within: .seconds(2))

        try await tunnel.client.stop(SIGKILL)
        try net.client.run(Program.guise.get(), "cleanup")
        // The kernel ends a killed process's ring, which holds the device, a moment after the process.
        try await until("the devices to go", within: .seconds(2)) {
          try !net.client.ip("link").contains("guise")
        }
        try before.expectUnchanged(on: net.client)
      }
    }

    @Test("Forwarding that was on before stays on")
    func forwardingWasOn() async throws {
      try await Topology.pair { net in
        try net.client.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        let before = try HostState(of: net.client)
        let client = try await Gateway.start(Tunnel.clientArguments(on: net), in: net.client)
        try await client.stop()
        try before.expectUnchanged(on: net.client)
      }
    }

    @Test("A host that takes no redirects takes none afterwards", arguments: [false, true])
    func redirects(isKilled: Bool) async throws {
      try await Topology.pair { net in
        try net.client.run("sysctl", "-qw", "net.ipv4.conf.all.accept_redirects=0")
        let before = try HostState(of: net.client)
        let client = try await Gateway.start(Tunnel.clientArguments(on: net), in: net.client)
        if isKilled {
          try await client.stop(SIGKILL)
          try await Gateway.start(Tunnel.clientArguments(on: net), in: net.client).stop()
        } else {
          try await client.stop()
        }
        try before.expectUnchanged(on: net.client)
      }
    }

    @Test("Other people's rules are left alone")
    func foreignRules() async throws {
      try await Topology.pair { net in
        try net.server.load(
          rules: """
            table inet filter {
              chain input {
                type filter hook input priority filter
                counter
              }
            }
            table ip guise_of_somebody_else {
              chain unused {
                counter
              }
            }
            """)
        let before = try HostState(of: net.server)
        let server = try await Gateway.start(Tunnel.serverArguments, in: net.server)
        try await server.stop(SIGKILL)
        try await Gateway.start(Tunnel.serverArguments, in: net.server).stop()
        try before.expectUnchanged(on: net.server)
      }
    }
  }
}
