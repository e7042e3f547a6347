import Testing

extension EndToEnd.Traffic {
  /// IPv4 and IPv6, inside and outside.
  @Suite("Address families")
  struct Families {
    @Test("A path without any IPv4 carries IPv6 inside and outside")
    func onlyIPv6() async throws {
      try await Topology.routed(nat: false) { net in
        for host in [net.client, net.server] { try host.ip("-4", "address", "flush", "scope", "global") }
        _ = try await Gateway.start(["server", "--local", "4567", "--remote", "[::1]:5000"], in: net.server)
        _ = try await Gateway.start(
          ["client", "--local", "[::1]:1234", "--remote", "[\(net.serverAddress6)]:4567"], in: net.client)
        try await Load.echo(in: net.server, at: "[::1]:5000")
        let swept = try await Load.sweep(in: net.client, to: "[::1]:1234", sizes: 1...1440)
        #expect(swept.intact == 1440, "\(swept)")
      }
    }

    @Test("IPv6 inside travels over IPv4")
    func ipv6Inside() async throws {
      try await Topology.pair { net in
        _ = try await Gateway.start(["server", "--local", "4567", "--remote", "[::1]:5000"], in: net.server)
        _ = try await Gateway.start(
          ["client", "--local", "[::1]:1234", "--remote", "\(net.serverAddress4):4567"], in: net.client)
        try await Load.echo(in: net.server, at: "[::1]:5000")
        try await DatagramSocket.connected(to: "[::1]:1234", in: net.client).echo(
          [1, 2], within: .seconds(2))
      }
    }

    @Test("A server takes flows over IPv4 and IPv6 at the same time")
    func dualStack() async throws {
      try await Topology.pair { net in
        let tunnel = try await Tunnel.up(on: net)
        _ = try await Gateway.start(
          ["client", "--local", "127.0.0.1:1235", "--remote", "[\(net.serverAddress6)]:4567"], in: net.client)
        try await tunnel.echoService()
        for port in [1234, 1235] {
          let application = try DatagramSocket.connected(to: "127.0.0.1:\(port)", in: net.client)
          try await application.echo([1], within: .seconds(2))
        }
        #expect(try await tunnel.server.counters()["flows opened"] == 2)
      }
    }

    @Test("On hosts without IPv6, and with --ipv4-only, IPv4 works", arguments: [true, false])
    func onlyIPv4(_ asked: Bool) async throws {
      try await Topology.pair { net in
        if !asked {
          for host in [net.client, net.server] {
            for scope in ["all", "default"] {
              try host.run("sysctl", "-qw", "net.ipv6.conf.\(scope).disable_ipv6=1")
            }
          }
        }
        let options = asked ? ["--ipv4-only"] : []
        let tunnel = try await Tunnel.up(on: net, clientOptions: options, serverOptions: options)
        try await tunnel.echoService()
        try await tunnel.application().echo([1], within: .seconds(2))
      }
    }

    @Test("A fast one-way IPv6 flow passes NAT whole")
    func oneWayIPv6() async throws {
      try await Topology.routed(nat: true) { net in
        let tunnel = try await Tunnel.up(on: net, over: .ipv6)
        let sink = try await Load.sink(in: net.server, at: Tunnel.service)
        let sent = try await Load.send(
          in: net.client, to: Tunnel.entrance, rate: "200M", seconds: 3, "--size", "1400")
        try await Task.sleep(for: .milliseconds(300))
        let received = try await Load.stop(sink, for: Load.Received.self)
        #expect(Double(received.received) >= 0.999 * Double(sent.sent), "\(received) of \(sent)")
        #expect(try Conntrack.invalidPackets(in: #require(net.router)) == 0)
        withExtendedLifetime(tunnel) {}
      }
    }

    @Test("Without offload everything arrives just the same")
    func noOffload() async throws {
      try await Topology.pair { net in
        let options = ["--offload", "off"]
        let tunnel = try await Tunnel.up(on: net, clientOptions: options, serverOptions: options)
        try await tunnel.echoService()
        let swept = try await Load.sweep(in: net.client, to: Tunnel.entrance, sizes: 1...1460)
        #expect(swept.intact == 1460, "\(swept)")
      }
    }
  }
}
