import Testing

extension EndToEnd.Faults {
  /// Hosts may be given by name.
  @Suite("Names")
  struct Names {
    @Test("The server may be named", arguments: [Tunnel.Transport.ipv4, .ipv6])
    func namedServer(_ transport: Tunnel.Transport) async throws {
      try await Topology.pair { net in
        let address = transport == .ipv4 ? net.serverAddress4 : net.serverAddress6
        try net.client.overlay("hosts", "\(address) gateway.example\n")
        _ = try await Gateway.start(Tunnel.serverArguments, in: net.server)
        _ = try await Gateway.start(
          ["client", "--local", Tunnel.entrance, "--remote", "gateway.example:4567"], in: net.client)
        try await Load.echo(in: net.server, at: Tunnel.service)
        try await DatagramSocket.connected(to: Tunnel.entrance, in: net.client)
          .echo([1, 2, 3], within: .seconds(2))
      }
    }

    @Test("The service may be called localhost")
    func localhost() async throws {
      try await Topology.pair { net in
        try net.server.overlay("hosts", "127.0.0.1 localhost\n")
        _ = try await Gateway.start(
          ["server", "--local", "4567", "--remote", "localhost:5000"], in: net.server)
        _ = try await Gateway.start(Tunnel.clientArguments(on: net), in: net.client)
        try await Load.echo(in: net.server, at: Tunnel.service)
        try await DatagramSocket.connected(to: Tunnel.entrance, in: net.client)
          .echo([1, 2, 3], within: .seconds(2))
      }
    }
  }
}
