import Testing

extension EndToEnd.Operation {
  /// All memory of the packet's path is taken at the start. The supervisor, which looks at the host's addresses
  /// each second, may let the heap grow by a step or two; a quarter of a million datagrams would show.
  @Suite("Memory")
  struct Memory {
    static let heapSteps = 300 << 10

    @Test("Ten seconds of traffic make neither end take more memory", arguments: Variant.mixed)
    func steady(_ variant: Variant) async throws {
      try await Topology.pair { net in
        let tunnel = try await Tunnel.up(on: net, variant)
        try await tunnel.echoService()
        func traffic(seconds: Int) async throws {
          _ = try await Load.send(
            in: net.client, to: Tunnel.entrance, rate: "150M", seconds: seconds,
            "--flows", "4", "--size", "64-1400", "--echo")
        }
        try await traffic(seconds: 2)
        let before = try tunnel.ends.map { try $0.memoryTaken() }
        try await traffic(seconds: 10)
        let after = try tunnel.ends.map { try $0.memoryTaken() }
        for (before, after) in zip(before, after) {
          #expect(after - before <= Self.heapSteps, "\(after - before) bytes more")
        }
      }
    }
  }
}
