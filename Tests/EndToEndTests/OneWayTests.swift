import Testing

extension EndToEnd.Faults {
  /// The traffic that kills fake TCP behind NAT: one way, fast, never answered.
  @Suite("One-way traffic", .alone)
  struct OneWay {
    @Test(
      "300 Mbit/s one way pass both ends' translation and a NAT router for ten seconds",
      arguments: zip(Variant.mixed, ["auto", "tracked", "stateless", "tracked"]))
    func throughNAT(_ variant: Variant, firewall: String) async throws {
      try await Topology.routed(nat: true) { net in
        let firewall = ["--firewall", firewall]
        let tunnel = try await Tunnel.up(on: net, variant, clientOptions: firewall, serverOptions: firewall)
        let sink = try await Load.sink(in: net.server, at: Tunnel.service)
        let sent = try await Load.send(
          in: net.client, to: Tunnel.entrance, rate: "300M", seconds: 10, "--size", "1400")
        try await Task.sleep(for: .milliseconds(300))
        let received = try await Load.stop(sink, for: Load.Received.self)

        #expect(sent.sent > 240_000, "the sender fell behind")
        let delivered = Double(received.received) / Double(sent.sent)
        #expect(delivered >= 0.999, "\(received) of \(sent)")
        #expect(received.corrupt == 0 && received.duplicated == 0 && received.reordered == 0, "\(received)")
        try expectNothingInvalid(tunnel)
      }
    }

    @Test("A flow that the server's end keeps sending into passes NAT just as well")
    func downstream() async throws {
      try await Topology.routed(nat: true) { net in
        let tracked = ["--firewall", "tracked"]
        let tunnel = try await Tunnel.up(on: net, clientOptions: tracked, serverOptions: tracked)
        let (application, service) = (try tunnel.application(), try tunnel.listener())
        try application.send([1])
        let greeting = try await service.next()

        var arrived = 0
        let payload = [UInt8](repeating: 7, count: 1400)
        for _ in 0..<600 {
          for _ in 0..<20 { try service.send(payload, to: greeting.source) }
          try await Task.sleep(for: .milliseconds(2))
          while application.poll() != nil { arrived += 1 }
        }
        arrived += try await application.drain().count
        #expect(arrived >= 11_988, "of 12 000")
        try expectNothingInvalid(tunnel)
      }
    }

    private func expectNothingInvalid(_ tunnel: Tunnel) throws {
      let net = tunnel.net
      for (host, name) in [(net.client, "client"), (net.router, "router"), (net.server, "server")] {
        guard let host else { continue }
        #expect(try Conntrack.invalidPackets(in: host) == 0, "in the \(name)'s connection tracking")
      }
      #expect(try Conntrack.invalidPacketsCounted(by: tunnel.client) == 0)
      #expect(try Conntrack.invalidPacketsCounted(by: tunnel.server) == 0)
    }
  }
}
