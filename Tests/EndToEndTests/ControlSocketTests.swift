import Foundation
import Glibc
import Testing

extension EndToEnd.Operation {
  /// What operators see and do while a tunnel runs: `guise status`, `guise flows`, `guise reconnect`.
  @Suite("Control socket")
  struct ControlSocket {
    @Test(
      "Flows are listed, closed and opened anew, and the counters are of what was sent",
      arguments: Variant.eachEngine())
    func flows(_ variant: Variant) async throws {
      try await Topology.pair { net in
        let (client, server) = (Operator(net.client, "gc"), Operator(net.server, "gs"))
        let tunnel = try await Tunnel.up(
          on: net, variant, clientOptions: ["--tun", client.device], serverOptions: ["--tun", server.device])
        let applications = try (0..<3).map { _ in try tunnel.application() }
        do {
          let service = try tunnel.listener()
          for application in applications {
            for _ in 0..<20 { try application.send([UInt8](repeating: 9, count: 100)) }
          }
          let arrivals = try await service.drain()
          #expect(arrivals.count == 60)
          for source in Set(arrivals.map(\.source.port)) {
            let name = try SocketName("127.0.0.1:\(source)")
            for _ in 0..<5 { try service.send([UInt8](repeating: 8, count: 300), to: name) }
          }
          for application in applications {
            #expect(try await application.drain(quiet: .milliseconds(100)).count == 5)
          }
        }
        for (end, (sent, size), (back, backSize)) in [
          (client, (60, 100), (15, 300)), (server, (15, 300), (60, 100)),
        ] {
          let status = try await end.status()
          #expect(status.flowsOpen == 3 && status.isHealthy && status.firewall.isInstalled != false)
          #expect(
            status.counters["datagrams in"] == sent && status.counters["datagram bytes in"] == sent * size)
          #expect(status.counters["datagrams out"] == back)
          #expect(status.counters["datagram bytes out"] == back * backSize)
          #expect(status.counters["flows opened"] == 3 && status.drops.values.allSatisfy { $0 == 0 })
        }

        try await tunnel.echoService()
        let before = try await client.flows()
        #expect(before.count == 3 && Set(before.map(\.peer)).count == 3)
        #expect(before.allSatisfy { $0.remote == "\(net.serverAddress4):4567" && $0.state == "established" })
        #expect(
          try await Set(server.flows().map(\.remote)) == Set(before.map { "10.66.1.1:\($0.localPort)" }))

        // One goes, and comes back with its program's next datagram.
        let doomed = before[0]
        let close = ["flows", "close", client.device, "--port", "\(doomed.localPort)"]
        #expect(try await client.run(close).output == "closed 1 flow\n")
        #expect(try await Set(client.flows().map(\.localPort)) == Set(before.dropFirst().map(\.localPort)))
        let again = try await client.run(close)
        #expect(again.exit == .code(4) && again.log == "guise: no such flow\n")
        for application in applications { try await application.echo([1], within: .seconds(2)) }
        let reopened = try await client.flows()
        #expect(Set(reopened.map(\.peer)) == Set(before.map(\.peer)))
        #expect(!reopened.contains { $0.localPort == doomed.localPort })

        // All take other ports, and keep their programs.
        #expect(try await client.run(["reconnect", client.device]).output == "opening anew 3 flows\n")
        for application in applications { try await application.echo([2], within: .seconds(2)) }
        let old = Set(reopened.map(\.localPort))
        let anew = try await client.eventually("other ports") { flows in
          flows.count == 3 && old.isDisjoint(with: flows.map(\.localPort))
        }
        #expect(Set(anew.map(\.peer)) == Set(before.map(\.peer)))
        for application in applications { try await application.echo([3], within: .seconds(2)) }
        let ends = Set(anew.map { "10.66.1.1:\($0.localPort)" })
        _ = try await server.eventually("the same flows") { Set($0.map(\.remote)) == ends && $0.count == 3 }
        #expect(try await client.status().counters["flows reopened"] == 3)

        let refusal = try await server.run(["reconnect", server.device])
        #expect(refusal.exit == .code(1) && refusal.log.contains("a server opens no flows"))
      }
    }

    @Test("Strangers cannot use the socket, and the gateway's own user may only look")
    func strangers() async throws {
      try await Topology.pair { net in
        let end = Operator(net.client, "gc")
        let tunnel = try await Tunnel.up(
          on: net, clientOptions: ["--tun", end.device, "--user", "12345:12345"])
        try await tunnel.echoService()
        let application = try tunnel.application()
        try await application.echo([1], within: .seconds(2))
        let commands = [
          ["status"], ["flows", "list"], ["flows", "close", "--all"], ["reconnect"], ["top", "--once"],
        ].map { $0 + [end.device] }
        for command in commands {
          let stranger = try await end.run(command, as: 54321)
          #expect(stranger.exit == .code(1) && stranger.output.isEmpty, "\(command)")
          #expect(stranger.log.contains("this user may not ask"))
          let own = try await end.run(command, as: 12345)
          let isOrder = command.contains("close") || command.contains("reconnect")
          #expect(own.exit == .code(isOrder ? 1 : 0), "\(command): \(own.log)")
          #expect(own.log.contains("only root and the user who started guise may do that") == isOrder)
        }
        #expect(try await end.flows().count == 1)
        #expect(!tunnel.client.log.contains("closed as asked"))
      }
    }

    @Test("A tunnel that does not answer is named, and keeps nobody from seeing the others")
    func oneThatHangs() async throws {
      try await Topology.pair { net in
        let (client, server) = (Operator(net.client, "gc"), Operator(net.server, "gs"))
        let tunnel = try await Tunnel.up(
          on: net, clientOptions: ["--tun", client.device], serverOptions: ["--tun", server.device])
        tunnel.client.process.send(SIGSTOP)
        defer { tunnel.client.process.send(SIGCONT) }
        let status = try await server.run(["status"], within: .seconds(30))
        #expect(status.exit == .code(1) && status.output.contains("\(server.device)  server"))
        #expect(!status.output.contains(client.device))
        #expect(status.log.contains("\(client.device): the process does not answer in time"))
      }
    }

    @Test("top shows a tunnel, its end and its return, and leaves the terminal as it was")
    func top() async throws {
      try await Topology.pair { net in
        let end = Operator(net.client, "gc")
        let arguments = Tunnel.clientArguments(on: net) + ["--tun", end.device]
        let server = try await Gateway.start(Tunnel.serverArguments, in: net.server)
        var client = try await Gateway.start(arguments, in: net.client)
        try await Load.echo(in: net.server, at: Tunnel.service)
        let application = try DatagramSocket.connected(to: Tunnel.entrance, in: net.client)
        try await application.echo([1], within: .seconds(2))

        let plain = try await end.run(["top", end.device, "--interval", "0.3"])
        #expect(plain.exit == .code(0) && !plain.output.contains("\u{1b}"))
        #expect(plain.output.contains("\(end.device)  client, ") && plain.output.contains("1 flow, by rate"))

        for signal in [SIGINT, SIGTERM, SIGHUP] {
          let terminal = try await TerminalSession(end)
          try await until("the flow on the screen", within: .seconds(5)) {
            terminal.picture.contains("1 flow, by rate")
          }
          if signal == SIGINT {
            try terminal.resize(columns: 30, rows: 8)
            try await until("a smaller picture", within: .seconds(5)) {
              let lines = terminal.picture.split(separator: "\n", omittingEmptySubsequences: false)
              return lines.count <= 8 && lines.allSatisfy { $0.count <= 30 }
            }
            try terminal.resize(columns: 100, rows: 30)
            try await client.stop(SIGKILL)
            try await until("the end on the screen", within: .seconds(5)) {
              terminal.picture.contains("ENDED")
            }
            client = try await Gateway.start(arguments, in: net.client)
            try await until("the return on the screen", within: .seconds(5)) {
              terminal.picture.contains("healthy") && !terminal.picture.contains("ENDED")
            }
          }
          try await terminal.end(signal)
        }

        // Nobody sees it any more.
        let abandoned = try await TerminalSession(end)
        abandoned.process.kill()
        try await until("its end", within: .seconds(3)) { try !end.isRunning(abandoned.program) }
        for gateway in [client, server] { #expect(try await gateway.stop() == .code(0)) }
      }
    }

    // MARK: - Who asks

    private struct Status: Decodable {
      let flowsOpen: Int
      let isHealthy: Bool
      let firewall: Firewall
      let counters: [String: Int]
      let drops: [String: Int]
      struct Firewall: Decodable { let isInstalled: Bool? }
    }

    private struct Flow: Decodable {
      let state: String
      let remote: String
      let localPort: Int
      let peer: String
    }

    /// Somebody at a host who has one tunnel in mind. Control sockets are all in one folder, whatever the network
    /// namespace, so that devices have names of this test's own.
    private struct Operator {
      let host: Namespace
      let device: String

      init(_ host: Namespace, _ prefix: String) {
        self.host = host
        device = "\(prefix)\(getpid())"
      }

      func run(_ arguments: [String], as user: Int? = nil, within limit: Duration = .seconds(10)) async throws
        -> (exit: Exit, output: String, log: String)
      {
        let wrapper =
          user.map { ["setpriv", "--reuid", "\($0)", "--regid", "\($0)", "--clear-groups"] } ?? []
        let process = try host.start(wrapper + [Program.guise.get()] + arguments)
        let exit = try await process.ended(within: limit)
        return (exit, process.output, process.log)
      }

      func status() async throws -> Status {
        struct Report: Decodable { let tunnels: [Status] }
        return try #require(try await answer(Report.self, ["status", device, "--json"]).tunnels.first)
      }

      func flows() async throws -> [Flow] {
        struct Report: Decodable { let flows: [Flow] }
        return try await answer(Report.self, ["flows", "list", device, "--json"]).flows
      }

      private func answer<Report: Decodable>(_ type: Report.Type, _ arguments: [String]) async throws
        -> Report
      {
        let (exit, output, log) = try await run(arguments)
        guard exit == .code(0) else { throw CommandFailure(description: "\(arguments): \(log)") }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(type, from: Data(output.utf8))
      }

      /// Lists flows until they are as expected.
      func eventually(_ what: String, _ condition: ([Flow]) -> Bool) async throws -> [Flow] {
        let deadline = ContinuousClock.now + .seconds(5)
        while true {
          let flows = try await flows()
          if condition(flows) { return flows }
          guard ContinuousClock.now < deadline else {
            throw Overdue(description: "\(device) never had \(what): \(flows)")
          }
        }
      }

      func isRunning(_ program: pid_t) throws -> Bool { try host.processes(named: "guise").contains(program) }
    }

    /// `guise top` on a terminal of its own, which script(1) makes and records.
    private final class TerminalSession {
      let process: ChildProcess
      let program: pid_t
      private let end: Operator

      init(_ end: Operator) async throws {
        self.end = end
        let others = try end.host.processes(named: "guise")
        let command =
          "stty columns 100 rows 30; tty; stty -g; \(try Program.guise.get()) top \(end.device) --interval 0.2; "
          + "echo \"status $?\"; stty -g"
        process = try end.host.start(["script", "--quiet", "--flush", "--command", command, "/dev/null"])
        program = try await EndToEndTests.eventually("top", within: .seconds(5)) {
          try end.host.processes(named: "guise").first { !others.contains($0) }
        }
        try await until("the second screen", within: .seconds(5)) { [process] in
          process.output.contains("\u{1b}[?1049h")
        }
      }

      /// The last picture on the screen, without colours.
      var picture: String {
        let output = String(decoding: process.output.utf8.filter { $0 != UInt8(ascii: "\r") }, as: UTF8.self)
        let whole = output.components(separatedBy: "\u{1b}[?1049l")[0]
        let last = whole.components(separatedBy: "\u{1b}[H").last { $0.contains("\u{1b}[0J") } ?? ""
        return last.replacing(/\u{1b}\[[0-9;]*[mKJ]/, with: "")
      }

      func resize(columns: Int, rows: Int) throws {
        let name = try #require(process.output.firstMatch(of: /\/dev\/pts\/\d+/)?.0)
        try end.host.run("stty", "-F", String(name), "columns", "\(columns)", "rows", "\(rows)")
      }

      /// Sends top a signal: it must end well, and with the terminal as it was.
      func end(_ signal: Int32) async throws {
        kill(program, signal)
        try await process.ended(within: .seconds(3))
        let parts = process.output.components(separatedBy: "\u{1b}[?25h\u{1b}[?1049l")
        #expect(parts.count == 2 && parts[1].contains("status 0"))
        let settings = process.output.matches(of: /[0-9a-f]+(:[0-9a-f]+){30,}/).map(\.0)
        #expect(settings.count == 2 && settings[0] == settings[1], "\(settings)")
      }
    }
  }
}
