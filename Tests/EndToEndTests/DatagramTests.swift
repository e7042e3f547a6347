import Testing

extension EndToEnd.Traffic {
  /// Datagrams that cannot be carried, and packets that nobody asked for.
  @Suite("Odd datagrams and forged packets")
  struct Odd {
    @Test(
      "Datagrams that are too large are counted, and warned about once with the size that fits",
      arguments: [(Tunnel.Transport.ipv4, 1460), (.ipv6, 1440)], Variant.mixed)
    func tooLarge(_ path: (transport: Tunnel.Transport, limit: Int), _ variant: Variant) async throws {
      try await Topology.pair { net in
        let tunnel = try await Tunnel.up(on: net, variant, over: path.transport)
        let (application, service) = (try tunnel.application(), try tunnel.listener())
        try application.send([UInt8](repeating: 1, count: path.limit))
        let fitting = try await service.next()
        #expect(fitting.bytes.count == path.limit)

        for _ in 0..<5 {
          try application.send([UInt8](repeating: 2, count: 2000))
          try service.send([UInt8](repeating: 3, count: 2000), to: fitting.source)
        }
        try await tunnel.expectStillWorking(application, service)
        for gateway in tunnel.ends {
          #expect(try await gateway.counters()["datagram-too-large"] == 5)
          let warnings = gateway.logLines(with: "of 2000 bytes")
          #expect(warnings.count == 1)
          #expect(warnings.first?.contains("\(path.limit)") == true)
        }
      }
    }

    @Test("Empty datagrams are counted and not carried")
    func empty() async throws {
      try await Topology.pair { net in
        let tunnel = try await Tunnel.up(on: net)
        let (application, service) = (try tunnel.application(), try tunnel.listener())
        try application.send([1])
        let source = try await service.next().source
        for _ in 0..<3 {
          try application.send([])
          try service.send([], to: source)
        }
        try await tunnel.expectStillWorking(application, service)
        #expect(try await tunnel.client.counters()["empty-datagram"] == 3)
        #expect(try await tunnel.server.counters()["empty-datagram"] == 3)
      }
    }

    @Test("A smaller MTU on the way out makes the largest datagram smaller")
    func smallMTU() async throws {
      try await Topology.pair { net in
        try net.client.ip("link", "set", "eth0", "mtu", "1400")
        try net.server.ip("link", "set", "eth0", "mtu", "1400")
        let tunnel = try await Tunnel.up(on: net)
        try await tunnel.echoService()
        let swept = try await Load.sweep(in: net.client, to: Tunnel.entrance, sizes: 1300...1360)
        #expect(swept.intact == 61, "\(swept)")
        try tunnel.application().send([UInt8](repeating: 0, count: 1361))
        try await tunnel.client.counts("datagram-too-large", 1)
      }
    }

    @Test(
      "Forged and broken packets do not disturb a live flow, and none reaches an application",
      arguments: zip(
        Variant.mixed + Variant.mixed,
        ["auto", "auto", "tracked", "stateless", "stateless", "tracked", "auto", "auto"]))
    func forged(_ variant: Variant, firewall: String) async throws {
      try await Topology.routed(nat: false) { net in
        let firewall = ["--firewall", firewall]
        let tunnel = try await Tunnel.up(on: net, variant, clientOptions: firewall, serverOptions: firewall)
        let router = try #require(net.router)
        let tap = try Tap(in: router)
        let (application, service) = (try tunnel.application(), try tunnel.listener())
        try application.send([1, 2, 3])
        let source = try await service.next().source
        try service.send([4, 5, 6], to: source)
        #expect(try await application.next().bytes == [4, 5, 6])

        let live = try await eventually("a data segment", within: .seconds(1)) {
          tap.latest { $0.destinationPort == 4567 && !$0.payload.isEmpty }
        }
        let forger = try RawSocket(in: router)
        for number in UInt8(0)..<20 {
          for (genuine, target) in [(live, net.serverAddress4), (live.reversed, net.clientAddress4)] {
            for packet in Forgery.packets(like: genuine) { try forger.send(packet, to: target) }
          }
          try application.send([7, number])
          #expect(try await service.next().bytes == [7, number])
          try service.send([8, number], to: source)
          #expect(try await application.next().bytes == [8, number])
        }
        #expect(try await application.drain().map(\.bytes) == [], "something forged arrived")
        #expect(try await service.drain().map(\.bytes) == [], "something forged arrived")
        for gateway in tunnel.ends {
          let table = try await gateway.counters()
          #expect(try table["flows opened"] == 1)
          #expect(try table["flows closed"] == 0)
        }
      }
    }
  }
}

extension Tunnel {
  /// Has one datagram each way arrive, skipping nothing.
  fileprivate func expectStillWorking(_ application: DatagramSocket, _ service: DatagramSocket) async throws {
    try application.send([11, 12])
    let arrival = try await service.next()
    #expect(arrival.bytes == [11, 12])
    try service.send([13, 14], to: arrival.source)
    #expect(try await application.next().bytes == [13, 14])
  }
}
