import Testing

extension EndToEnd.Operation {
  /// Several gateways on one host, all with default names and addresses.
  @Suite("Coexistence")
  struct Coexistence {
    @Test("Two clients and a server on one host, two servers and a client on the other, all carry traffic")
    func crowd() async throws {
      try await Topology.pair { net in
        let (left, right) = (net.client, net.server)
        let gateways = [
          try await startServer(port: 4567, service: 5000, in: right),
          try await startServer(port: 4568, service: 5001, in: right),
          try await startServer(port: 4567, service: 5000, in: left),
          try await startClient(port: 1234, to: "10.66.1.2:4567", in: left),
          try await startClient(port: 1235, to: "10.66.1.2:4568", in: left),
          try await startClient(port: 1234, to: "10.66.1.1:4567", in: right),
        ]
        #expect(try Set(gateways.map { "\($0.host.name) \(try $0.device)" }).count == 6, "devices collide")

        for (host, entrance, service, serviceHost) in [
          (left, "127.0.0.1:1234", "127.0.0.1:5000", right),
          (left, "127.0.0.1:1235", "127.0.0.1:5001", right),
          (right, "127.0.0.1:1234", "127.0.0.1:5000", left),
        ] {
          let application = try DatagramSocket.connected(to: entrance, in: host)
          let listener = try DatagramSocket.bound(to: service, in: serviceHost)
          let question = Array("to \(service) of \(serviceHost.name)".utf8)
          try application.send(question)
          let heard = try await listener.next()
          #expect(heard.bytes == question)
          try listener.send([42], to: heard.source)
          #expect(try await application.next().bytes == [42])
        }
      }
    }

    @Test(
      "Two clients on one host go to the same server, and a client beside the server does too",
      arguments: ["auto", "tracked", "stateless"])
    func sameServer(firewall: String) async throws {
      try await Topology.pair { net in
        let firewall = ["--firewall", firewall]
        let server = try await startServer(port: 4567, service: 5000, in: net.server, firewall)
        let clients = [
          try await startClient(port: 1234, to: "10.66.1.2:4567", in: net.client, firewall),
          try await startClient(port: 1235, to: "10.66.1.2:4567", in: net.client),
          try await startClient(port: 1236, to: "10.66.1.2:4567", in: net.server),
        ]
        try await expectEchoes(
          on: net, through: [(1234, net.client), (1235, net.client), (1236, net.server)], rounds: 20)
        for gateway in clients + [server] { #expect(try await gateway.stop() == .code(0)) }
      }
    }

    @Test(
      "Where a host leaves new devices out of forwarding, guise takes its own in",
      arguments: ["auto", "tracked"])
    func newDevicesDoNotForward(firewall: String) async throws {
      try await Topology.pair { net in
        for host in [net.client, net.server] {
          try host.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
          try host.run(
            "sysctl", "-qw", "net.ipv4.conf.default.forwarding=0", "net.ipv6.conf.default.forwarding=0")
        }
        _ = try await startServer(port: 4567, service: 5000, in: net.server, ["--firewall", firewall])
        for (entrance, remote) in [(1234, net.serverAddress4), (1235, "[\(net.serverAddress6)]")] {
          _ = try await startClient(
            port: entrance, to: "\(remote):4567", in: net.client, ["--firewall", firewall])
        }
        try await expectEchoes(on: net, through: [(1234, net.client), (1235, net.client)])
      }
    }

    @Test(
      "On a link whose addresses hold on it alone (RFC 3927), a server is reached",
      arguments: ["auto", "tracked"])
    func linkLocalIPv4(firewall: String) async throws {
      try await Topology.pair { net in
        for (host, address) in [(net.client, "169.254.1.1/16"), (net.server, "169.254.1.2/16")] {
          try host.ip("-4", "address", "flush", "dev", "eth0")
          try host.ip("address", "add", address, "dev", "eth0")
        }
        for local in ["4567", "169.254.1.2:4568"] {
          _ = try await Gateway.start(
            ["server", "--local", local, "--remote", "127.0.0.1:5000", "--firewall", firewall], in: net.server
          )
        }
        for (entrance, port) in [(1234, 4567), (1235, 4568)] {
          _ = try await startClient(
            port: entrance, to: "169.254.1.2:\(port)", in: net.client, ["--firewall", firewall])
        }
        try await expectEchoes(on: net, through: [(1234, net.client), (1235, net.client)])
      }
    }

    @Test(
      "A link that is down for a while leaves a server at tc, beside a device without a link-layer header")
    func linkDownBesideTunnel() async throws {
      try await Topology.pair { net in
        try net.server.ip("tuntap", "add", "wg0", "mode", "tun")
        try net.server.ip("address", "add", "10.99.0.1/24", "dev", "wg0")
        try net.server.ip("link", "set", "wg0", "up")
        let server = try await startServer(port: 4567, service: 5000, in: net.server)
        let before = try net.server.run("tc", "filter", "show", "dev", "eth0", "ingress")
        #expect(before.contains("guise"))
        try net.server.ip("link", "set", "eth0", "down")
        try await Task.sleep(for: .seconds(2))
        #expect(!server.log.contains("by connection tracking"))
        try net.server.ip("link", "set", "eth0", "up")
        _ = try await startClient(port: 1234, to: "10.66.1.2:4567", in: net.client)
        try await expectEchoes(on: net, through: [(1234, net.client)])
        #expect(try net.server.run("tc", "filter", "show", "dev", "eth0", "ingress").contains("guise"))
      }
    }

    @Test("Nothing leaves with a private address by a device that a server has no address at")
    func noPrivateAddressOutside() async throws {
      try await Topology.pair { net in
        for device in ["second", "third"] {
          try net.server.ip("link", "add", device, "type", "veth", "peer", "name", "\(device)end")
          try net.server.run("sysctl", "-qw", "net.ipv6.conf.\(device).disable_ipv6=1")
          for end in [device, "\(device)end"] { try net.server.ip("link", "set", end, "up") }
        }
        try net.server.ip("address", "add", "198.51.100.1/24", "dev", "second")
        // The way back to the client leads by the third.
        try net.server.ip("route", "add", "192.0.2.0/24", "dev", "third")
        try net.client.ip("address", "add", "192.0.2.9/32", "dev", "lo")
        try net.client.ip("route", "add", "\(net.serverAddress4)/32", "dev", "eth0", "src", "192.0.2.9")
        let tunnel = try await Tunnel.up(on: net, serverOptions: ["-4"])
        #expect(tunnel.server.logLines(with: "at tc on eth0, as 198.51.100.1 on second").count == 1)
        let before = try sent(by: "third", of: net.server)
        try tunnel.application().send([1])
        try await tunnel.server.counts("cookies sent", 1)
        #expect(try sent(by: "third", of: net.server) == before)
      }
    }

    /// A service at the server's port 5000 echoes what comes through these of the clients' ports.
    private func expectEchoes(
      on net: Topology, through entrances: [(port: Int, host: Namespace)], rounds: UInt8 = 1
    ) async throws {
      try await Load.echo(in: net.server, at: "127.0.0.1:5000")
      for (port, host) in entrances {
        for round in 0..<rounds {
          let application = try DatagramSocket.connected(to: "127.0.0.1:\(port)", in: host)
          try await application.echo([round], within: .seconds(3))
        }
      }
    }

    /// Packets.
    private func sent(by device: String, of host: Namespace) throws -> String {
      try host.run("cat", "/sys/class/net/\(device)/statistics/tx_packets")
    }

    @Test(
      "A server is reached at each of its devices, by the address that it has there",
      arguments: ["auto", "tracked"])
    func severalDevices(firewall: String) async throws {
      try await Topology.pair { net in
        try net.client.ip(
          "link", "add", "eth1", "type", "veth", "peer", "name", "eth1", "netns", net.server.name)
        for (host, number) in [(net.client, 1), (net.server, 2)] {
          try host.ip("address", "add", "10.77.0.\(number)/24", "dev", "eth1")
          try host.ip("link", "set", "eth1", "up")
        }
        let server = try await startServer(
          port: 4567, service: 5000, in: net.server, ["--firewall", firewall])
        try await Load.echo(in: net.server, at: "127.0.0.1:5000")
        for (port, address) in [(1234, "10.66.1.2"), (1235, "10.77.0.2")] {
          let client = try await startClient(port: port, to: "\(address):4567", in: net.client)
          for size in [1, 500, 1_400] {
            let application = try DatagramSocket.connected(to: "127.0.0.1:\(port)", in: net.client)
            try await application.echo([UInt8](repeating: 7, count: size), within: .seconds(2))
          }
          #expect(try await client.stop() == .code(0))
        }
        #expect(try await server.stop() == .code(0))
      }
    }

    @Test("A gateway that ends leaves its neighbour on the same host working")
    func neighbourEnds() async throws {
      try await Topology.pair { net in
        let tunnel = try await Tunnel.up(on: net)
        let neighbours = [
          try await startServer(port: 4568, service: 5001, in: net.server),
          try await startClient(port: 1235, to: "10.66.1.2:4568", in: net.client),
        ]
        try await tunnel.echoService()
        let application = try tunnel.application()
        try await application.echo([1], within: .seconds(2))
        for neighbour in neighbours { #expect(try await neighbour.stop() == .code(0)) }
        try await application.echo([2], within: .milliseconds(500))

        // A flow that starts now needs forwarding and rules afresh.
        try await tunnel.application().echo([3], within: .seconds(2))
      }
    }

    private func startServer(
      port: Int, service: Int, in host: Namespace, _ options: [String] = []
    ) async throws -> Gateway {
      try await Gateway.start(
        ["server", "--local", "\(port)", "--remote", "127.0.0.1:\(service)"] + options, in: host)
    }

    private func startClient(
      port: Int, to server: String, in host: Namespace, _ options: [String] = []
    ) async throws -> Gateway {
      try await Gateway.start(
        ["client", "--local", "127.0.0.1:\(port)", "--remote", server] + options, in: host)
    }
  }
}
