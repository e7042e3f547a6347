import Testing

extension EndToEnd.Operation {
  /// All memory of the packet's path is taken at the start: a quarter of a million datagrams would show.
  @Suite("Memory")
  struct Memory {
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
          #expect(after - before <= Gateway.heapSteps, "\(after - before) bytes more")
        }
      }
    }

    /// What the supervisor asks each second is answered at the length of the host's devices and addresses.
    @Test("On a host with many devices, time alone takes no memory")
    func idle() async throws {
      try await Topology.pair { net in
        for host in [net.client, net.server] {
          for number in 0..<50 {
            try host.ip("link", "add", "many\(number)", "type", "veth", "peer", "name", "peer\(number)")
            for end in ["many", "peer"] { try host.ip("link", "set", "\(end)\(number)", "up") }
          }
        }
        let tunnel = try await Tunnel.up(on: net)
        try await Task.sleep(for: .seconds(4))
        let before = try tunnel.ends.map { try $0.memoryTaken() }
        try await Task.sleep(for: .seconds(10))
        let after = try tunnel.ends.map { try $0.memoryTaken() }
        for (before, after) in zip(before, after) {
          #expect(after - before <= Gateway.heapSteps, "\(after - before) bytes more")
        }
      }
    }
  }
}
