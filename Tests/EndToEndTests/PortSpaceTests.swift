import Testing

extension EndToEnd.Traffic {
  /// A client whose TCP port space is used up for real: one more flow than one address has ports towards one server.
  @Suite("A full port space")
  struct PortSpaces {
    /// TCP source ports that a client takes (1024...65 535).
    private static let portCount = 64_512

    @Test(
      "When a client's source ports are used up, new flows are refused and counted, and the log says what helps"
    )
    func usedUp() async throws {
      try await Topology.pair { net in
        // Nobody has that address, so that every flow waits for an answer and keeps its port.
        let client = try await Gateway.start(
          ["client", "--local", Tunnel.entrance, "--remote", "10.66.1.77:4567"], in: net.client)
        let programs = try RawSocket(in: net.client)
        // Each worker has a share of the ports, and the kernel's hash shares out the programs, not quite evenly.
        // A flow gives its port back after six seconds without an answer: a round must be quicker than that.
        var refused = 0
        for _ in 0..<4 where refused == 0 {
          for number in 0..<Self.portCount + 3_000 {
            try programs.send(Self.datagram(number), to: "127.0.0.1")
          }
          try await Task.sleep(for: .milliseconds(200))
          refused = try await client.counters()["port-space-full"]
        }
        #expect(refused > 0)
        try await until("the log to say what helps", within: .seconds(2)) {
          client.logLines(with: "TCP source ports of worker").contains { $0.contains("--idle-timeout") }
        }

        #expect(try await client.stop(within: .seconds(10)) == .code(0))
      }
    }

    /// A UDP datagram of one byte from the `number`-th of many programs to the entrance (RFC 768; no checksum).
    private static func datagram(_ number: Int) -> [UInt8] {
      let port = 1_024 + number % 60_000
      let source: [UInt8] = [127, 0, 1, UInt8(1 + number / 60_000)]
      let ip: [UInt8] = [0x45, 0, 0, 29, 0, 0, 0, 0, 64, 17, 0, 0] + source + [127, 0, 0, 1]
      let udp: [UInt8] = [UInt8(port >> 8), UInt8(port & 0xff), 0x04, 0xd2, 0, 9, 0, 0]
      return ip + udp + [1]
    }
  }
}
