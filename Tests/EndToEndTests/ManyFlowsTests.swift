import Testing

extension EndToEnd.Traffic {
  /// Thousands of flows at once; the long form is bench/scale/many_flows.py.
  @Suite("Many flows")
  struct ManyFlows {
    @Test("Two thousand flows at once lose nothing, at both ends", arguments: Variant.mixed)
    func twoThousand(_ variant: Variant) async throws {
      try await Topology.pair { net in
        let tunnel = try await Tunnel.up(on: net, variant)
        try await tunnel.echoService()
        let before = try tunnel.ends.map { try $0.memoryTaken() }
        let report = try await Load.send(
          in: net.client, to: Tunnel.entrance, rate: "4000p", seconds: 5,
          "--flows", "2000", "--size", "200", "--echo")
        #expect(report.echo?.lost == 0 && report.echo?.corrupt == 0)
        #expect(report.echo?.flows == 2000)
        for gateway in tunnel.ends {
          let table = try await gateway.counters()
          #expect(try table["flows opened"] == 2000)
          #expect(try table["flows closed"] == 0)
          #expect(table.dropsOfDatagrams == 0 && table.dropsOfSegments == 0 && table.dropsOfEither == 0)
        }
        // The supervisor logs some of the flows.
        for (end, before) in zip(tunnel.ends, before) {
          #expect(try end.memoryTaken() - before <= Gateway.heapSteps)
        }
      }
    }
  }
}
