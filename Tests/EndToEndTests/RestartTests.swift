import Glibc
import Testing

extension EndToEnd.Faults {
  /// Either end may go away under traffic and come back.
  @Suite("Restart")
  struct Restart {
    enum End: String, CaseIterable, Sendable { case client, server }

    /// How a gateway runs, and how it is ended.
    struct Ending: Sendable, CustomTestStringConvertible {
      let variant: Variant
      let name: String
      let signal: Int32
      var testDescription: String { "\(name), \(variant.testDescription)" }
      static let all = zip(Variant.mixed, [SIGTERM, SIGKILL, SIGKILL, SIGTERM]).map { variant, signal in
        Ending(variant: variant, name: signal == SIGTERM ? "SIGTERM" : "SIGKILL", signal: signal)
      }
    }

    @Test("Traffic flows again within three seconds", arguments: End.allCases, Ending.all)
    func underTraffic(_ end: End, _ ending: Ending) async throws {
      try await Topology.routed(nat: true) { net in
        let tunnel = try await Tunnel.up(on: net, ending.variant)
        try await tunnel.echoService()
        let application = try tunnel.application()
        try await application.echo([1, 2, 3], within: .seconds(2))
        let background = try Load.startSending(
          in: net.client, to: Tunnel.entrance, rate: "5000p", seconds: 30, ["--size", "500"])
        try await Task.sleep(for: .milliseconds(500))

        let gateway = end == .client ? tunnel.client : tunnel.server
        try await gateway.stop(ending.signal)
        let arguments = end == .client ? Tunnel.clientArguments(on: net) : Tunnel.serverArguments
        _ = try await Gateway.start(arguments + ending.variant.arguments, in: gateway.host)

        try await application.echo([4, 5, 6], within: .seconds(3))
        #expect(background.poll() == nil, "the sender gave up")
        try await expectSteadyEcho(application)
      }
    }

    @Test("An application that sends nothing while the server restarts finds the way again by itself")
    func quietRestart() async throws {
      try await Topology.pair { net in
        let tunnel = try await Tunnel.up(on: net)
        try await tunnel.echoService()
        let application = try tunnel.application()
        try await application.echo([1], within: .seconds(2))
        try await tunnel.server.stop(SIGKILL)
        _ = try await Gateway.start(Tunnel.serverArguments, in: net.server)
        try await application.echo([2], within: .seconds(3))
      }
    }

    /// A hundred datagrams, and every one comes back.
    private func expectSteadyEcho(_ application: DatagramSocket) async throws {
      _ = try await application.drain(quiet: .milliseconds(50))
      for number in UInt8(0)..<100 { try application.send([7, number]) }
      let back = Set(try await application.drain().map(\.bytes))
      #expect(back.count == 100)
    }
  }
}
