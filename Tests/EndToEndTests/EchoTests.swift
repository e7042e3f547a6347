import Testing

extension EndToEnd.Traffic {
  /// Datagrams arrive as they were sent, whatever their size, and many at once.
  @Suite("Echo")
  struct Echo {
    @Test("Datagrams of every size come back byte for byte over IPv4", arguments: Variant.all)
    func everySizeOverIPv4(_ variant: Variant) async throws {
      try await Topology.pair { net in
        try await Tunnel.up(on: net, variant).echoService()
        let swept = try await Load.sweep(in: net.client, to: Tunnel.entrance, sizes: 1...1460)
        expectAllIntact(swept, count: 1460)
      }
    }

    @Test("Datagrams of every size come back byte for byte over IPv6", arguments: Variant.all)
    func everySizeOverIPv6(_ variant: Variant) async throws {
      try await Topology.pair { net in
        try await Tunnel.up(on: net, variant, over: .ipv6).echoService()
        let swept = try await Load.sweep(in: net.client, to: Tunnel.entrance, sizes: 1...1440)
        expectAllIntact(swept, count: 1440)
      }
    }

    @Test("Eight applications at once lose nothing at 20 000 datagrams a second", arguments: Variant.all)
    func eightApplications(_ variant: Variant) async throws {
      try await Topology.pair { net in
        let tunnel = try await Tunnel.up(on: net, variant)
        try await tunnel.echoService()
        let report = try await Load.send(
          in: net.client, to: Tunnel.entrance, rate: "20000p", seconds: 4,
          "--flows", "8", "--size", "600", "--echo")
        let echo = try #require(report.echo)
        #expect(report.sent > 70_000, "the sender fell behind")
        #expect(echo.flows == 8)
        #expect(echo.duplicated == 0 && echo.corrupt == 0 && echo.reordered == 0, "\(echo)")
        // On a busy machine more may come than can wait while a flow opens; afterwards nothing is lost.
        #expect(try await echo.lost == tunnel.client.counters()["handshake-queue-full"])
        for gateway in tunnel.ends {
          let table = try await gateway.counters()
          #expect(try table["hand-offs"] * 1_000 < table["segments in"], "packets go astray: \(table)")
        }
      }
    }

    private func expectAllIntact(_ swept: Load.Swept, count: Int) {
      #expect(swept.sent == count)
      #expect(swept.intact == count)
      #expect(swept.missingSizes.isEmpty)
      #expect(swept.corruptSizes.isEmpty)
      #expect(swept.unexpected == 0)
    }
  }
}
