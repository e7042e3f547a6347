import Glibc
import Testing

extension EndToEnd.Operation {
  /// Packets come to the worker that their flow belongs to, by a program of guise's in the kernel.
  @Suite("Steering")
  struct Steering {
    private static let unsteered = "workers will pass on to each other"
    private static let steered = "a program gives packets to the worker that their flow belongs to"

    /// Has an echo answer so many flows.
    private static func carry(_ flows: Int, over tunnel: Tunnel, seconds: Int = 1) async throws {
      let report = try await Load.send(
        in: tunnel.client.host, to: Tunnel.entrance, rate: "6000p", seconds: seconds,
        "--flows", "\(flows)", "--size", "100", "--echo")
      let echo = try #require(report.echo)
      #expect(echo.flows == flows && echo.corrupt == 0 && echo.duplicated == 0, "\(echo)")
    }

    private static func handoffs(_ gateway: Gateway) async throws -> Int {
      try await gateway.counters()["hand-offs"]
    }

    @Test("With more flows than TUN itself remembers, nothing is handed over", arguments: [2, 4])
    func beyondTheTableOfTUN(_ workers: Int) async throws {
      try await Topology.pair { net in
        let tunnel = try await Tunnel.up(on: net, Variant(engine: "io_uring", workers: workers))
        try await tunnel.echoService()
        try await Self.carry(6_000, over: tunnel, seconds: 2)
        for gateway in tunnel.ends {
          #expect(gateway.logLines(with: Self.steered).count == 1)
          let table = try await gateway.counters()
          #expect(try table["segments in"] > 12_000 && table["hand-offs"] == 0, "\(table)")
          #expect(table.byWorker("segments in").allSatisfy { $0 > 12_000 / workers / 2 }, "\(table)")
        }
      }
    }

    /// The predecessor's queues are before the successor's on the device, and go while these are in use.
    @Test(
      "After a takeover packets come to their own worker again", arguments: [3, 5], ["client", "server"])
    func afterATakeover(_ workers: Int, _ end: String) async throws {
      try await Topology.pair { net in
        var tunnel = try await Tunnel.up(on: net, Variant(engine: "epoll", workers: 4))
        try await tunnel.echoService()
        try await Self.carry(200, over: tunnel)
        let isClient = end == "client"
        let old = isClient ? tunnel.client : tunnel.server
        let arguments = isClient ? Tunnel.clientArguments(on: net) : Tunnel.serverArguments
        let next = try await Gateway.start(
          arguments + ["--engine", "io_uring", "--workers", "\(workers)", "--takeover"], in: old.host)
        #expect(try await old.process.ended(within: .seconds(3)) == .code(0))
        tunnel = Tunnel(
          net: net, client: isClient ? next : tunnel.client, server: isClient ? tunnel.server : next)
        try await until("the queues to be in order", within: .seconds(5)) {
          next.logLines(with: Self.steered).count == 1
        }
        let before = try await Self.handoffs(next)
        try await Self.carry(200, over: tunnel)
        #expect(try await Self.handoffs(next) == before)
        #expect(try await next.counters().byWorker("segments in").allSatisfy { $0 > 0 })
      }
    }

    @Test("A killed gateway's program is not its successor's", arguments: [false, true])
    func afterACrash(isRefused: Bool) async throws {
      try await Topology.pair { net in
        let tunnel = try await Tunnel.up(on: net, Variant(engine: "io_uring", workers: 4))
        try await tunnel.echoService()
        try await Self.carry(100, over: tunnel)
        try await tunnel.server.stop(SIGKILL)
        let next = try await Gateway.start(
          Tunnel.serverArguments + ["--workers", "2"], in: net.server,
          wrapper: isRefused ? Gateway.withoutBPF : [])
        let line = isRefused ? Self.unsteered : Self.steered
        try await until("the program, or its lack, to be said", within: .seconds(5)) {
          next.logLines(with: line).count == 1
        }
        let after = Tunnel(net: net, client: tunnel.client, server: next)
        // Left to itself, TUN has to see the flows first.
        try await Self.carry(100, over: after)
        let before = try await Self.handoffs(next)
        try await Self.carry(100, over: after)
        #expect(try await Self.handoffs(next) - before < (isRefused ? 100 : 1))
      }
    }

    @Test("Without the right to load a program, workers pass on what comes to the wrong one")
    func refused() async throws {
      try await Topology.pair { net in
        let server = try await Gateway.start(
          Tunnel.serverArguments + ["--workers", "2"], in: net.server, wrapper: Gateway.withoutBPF)
        let client = try await Gateway.start(
          Tunnel.clientArguments(on: net) + ["--workers", "2"], in: net.client, wrapper: Gateway.withoutBPF)
        let tunnel = Tunnel(net: net, client: client, server: server)
        try await tunnel.echoService()
        for gateway in tunnel.ends {
          #expect(gateway.logLines(with: Self.unsteered).count == 1)
          #expect(gateway.logLines(with: Self.steered).isEmpty)
        }
        try await Self.carry(6_000, over: tunnel, seconds: 2)
        // Where nothing is handed over, the first test says nothing.
        for gateway in tunnel.ends { #expect(try await Self.handoffs(gateway) > 100) }
      }
    }
  }
}
