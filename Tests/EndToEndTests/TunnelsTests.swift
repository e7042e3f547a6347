import Foundation
import Glibc
import Testing

extension EndToEnd.Operation {
  /// `guise run`: the tunnels of a file, and what becomes of them when it changes.
  @Suite("Tunnels of a configuration file")
  struct Tunnels {
    /// Where programs on the client's host send to, the TCP port and the service of each tunnel.
    private static let ways = ["one", "two"].enumerated().map { index, name in
      (
        name: name, entrance: "127.0.0.1:\(1234 + index)", port: 4567 + index,
        service: "127.0.0.1:\(5000 + index)"
      )
    }

    /// A configuration file that is there until the test ends.
    private final class File: Sendable {
      let path = "/tmp/guise-e2e-\(getpid())-\(UInt32.random(in: 0 ... .max)).toml"

      init(_ text: String) throws { try write(text) }

      deinit { try? FileManager.default.removeItem(atPath: path) }

      func write(_ text: String) throws { try Data(text.utf8).write(to: URL(fileURLWithPath: path)) }
    }

    private static func servers(_ extra: [String: String] = [:]) -> String {
      "workers = 1\n"
        + ways.map { way in
          """
          [server.\(way.name)]
          local = \(way.port)
          remote = "\(way.service)"
          \(extra[way.name] ?? "")

          """
        }.joined()
    }

    private static func clients(on net: Topology, _ extra: [String: String] = [:]) -> String {
      "workers = 1\n"
        + ways.map { way in
          """
          [client.\(way.name)]
          local = "\(way.entrance)"
          remote = "\(net.serverAddress4):\(way.port)"
          \(extra[way.name] ?? "")

          """
        }.joined()
    }

    private func run(_ file: File, in host: Namespace) async throws -> Gateway {
      let gateway = try Gateway.launch(["run", "--config", file.path], in: host)
      try await until("all tunnels to be up", within: .seconds(20)) {
        if let exit = gateway.process.poll() {
          throw CommandFailure(description: "guise run ended with \(exit)")
        }
        return !gateway.logLines(with: "2 of 2 tunnels up").isEmpty
      }
      return gateway
    }

    /// Replaces the file, has it read, and waits until `count` have come up since the start.
    private func reload(_ gateway: Gateway, _ file: File, _ text: String) async throws {
      let before = gateway.logLines(with: "2 of 2 tunnels up").count
      try file.write(text)
      gateway.process.send(SIGHUP)
      try await until("the tunnels to be up again", within: .seconds(20)) {
        gateway.logLines(with: "2 of 2 tunnels up").count > before
      }
    }

    /// How a tunnel's settings may change, and whether its flows can go on.
    struct Change: Sendable, CustomTestStringConvertible {
      let line: String
      let keepsFlows: Bool
      var testDescription: String { line }
      static let all = [
        Change(line: "idle-timeout = 100", keepsFlows: true),
        Change(line: "tun-local = \"10.99.0.1\"\ntun-peer = \"10.99.0.2\"", keepsFlows: false),
      ]
    }

    @Test("When one tunnel changes under load, the other loses nothing", arguments: Change.all)
    func reloadUnderLoad(_ change: Change) async throws {
      try await Topology.pair { net in
        let before = [try HostState(of: net.client), try HostState(of: net.server)]
        let (serverFile, clientFile) = (try File(Self.servers()), try File(Self.clients(on: net)))
        let server = try await run(serverFile, in: net.server)
        let client = try await run(clientFile, in: net.client)
        var sinks: [ChildProcess] = []
        var sources: [ChildProcess] = []
        for way in Self.ways {
          sinks.append(try await Load.sink(in: net.server, at: way.service))
          sources.append(
            try Load.startSending(
              in: net.client, to: way.entrance, rate: "1000p", seconds: 5,
              ["--flows", "10", "--size", "100", "--opening", "1"]))
        }
        try await Task.sleep(for: .milliseconds(1500))
        try await reload(server, serverFile, Self.servers(["two": change.line]))
        try await reload(client, clientFile, Self.clients(on: net, ["two": change.line]))
        var sent: [Load.Sent] = []
        for source in sources {
          sent.append(try await Load.report(Load.Sent.self, of: source, within: .seconds(15)))
        }
        try await Task.sleep(for: .milliseconds(300))
        var received: [Load.Received] = []
        for sink in sinks { received.append(try await Load.stop(sink, for: Load.Received.self)) }

        #expect(received[0].received == sent[0].sent)
        #expect(received[0].lost == 0 && received[0].reordered == 0 && received[0].duplicated == 0)
        #expect(received[0].flows == 10)
        #expect(received[1].received > 0 && received[1].corrupt == 0)
        for gateway in [server, client] {
          #expect(gateway.logLines(with: "1 of 2 tunnels unchanged").count == 1)
          let word = change.keepsFlows ? "takes its flows over" : "its flows begin anew"
          #expect(gateway.logLines(with: "tunnel two: changed").contains { $0.contains(word) })
          #expect(gateway.logLines(with: " ready: ").count { $0.hasSuffix("tunnel=one") } == 1)
          #expect(gateway.logLines(with: " ready: ").count { $0.hasSuffix("tunnel=two") } == 2)
        }
        if change.keepsFlows { #expect(!server.logLines(with: "going on with 10 flows").isEmpty) }
        for gateway in [client, server] {
          #expect(try await gateway.stop(within: .seconds(10)) == .code(0))
        }
        for (host, before) in zip([net.client, net.server], before) { try before.expectUnchanged(on: host) }
      }
    }

    @Test("A wrong file changes nothing, and the log says by its lines what is wrong")
    func wrongFile() async throws {
      try await Topology.pair { net in
        let file = try File(Self.servers())
        let server = try await run(file, in: net.server)
        let processes = try net.server.processes(named: "guise")
        try file.write(Self.servers(["one": "moderaton = 1"]))
        server.process.send(SIGHUP)
        try await until("a complaint", within: .seconds(5)) {
          !server.logLines(with: "all tunnels go on as before").isEmpty
        }
        #expect(
          !server.logLines(with: "\(file.path):5: unknown key 'moderaton': did you mean 'moderation'?")
            .isEmpty)
        #expect(try net.server.processes(named: "guise") == processes)
      }
    }

    @Test(
      "Settings of no use leave a tunnel as it was, also where its flows would begin anew",
      arguments: ["user = \"nosuchuser\"", "flow-file = \"/nonexistent/flows\""])
    func uselessSettings(line: String) async throws {
      try await Topology.pair { net in
        let file = try File(Self.servers())
        let server = try await run(file, in: net.server)
        let processes = try net.server.processes(named: "guise")
        try file.write(Self.servers(["one": line]))
        server.process.send(SIGHUP)
        try await until("a complaint", within: .seconds(5)) {
          !server.logLines(with: "it goes on with the old ones").isEmpty
        }
        #expect(try net.server.processes(named: "guise") == processes)
        try file.write(Self.servers())
        server.process.send(SIGHUP)
        try await Task.sleep(for: .milliseconds(500))
        #expect(try net.server.processes(named: "guise") == processes)
      }
    }

    @Test("A tunnel that is killed comes back with its flows; the others do not notice")
    func killed() async throws {
      try await Topology.pair { net in
        let server = try await run(try File(Self.servers()), in: net.server)
        let clientFile = try File(Self.clients(on: net))
        let client = try await run(clientFile, in: net.client)
        try await Load.echo(in: net.server, at: Self.ways[0].service)
        let application = try DatagramSocket.connected(to: Self.ways[0].entrance, in: net.client)
        try await application.echo([1], within: .seconds(2))
        kill(try process(of: "one", server), SIGKILL)
        try await until("it to be up again", within: .seconds(5)) {
          server.logLines(with: " ready: ").count { $0.hasSuffix("tunnel=one") } == 2
        }
        #expect(
          !server.logLines(with: "tunnel one: process").filter { $0.contains("was killed by signal 9") }
            .isEmpty)
        #expect(!server.logLines(with: "going on with 1 flows").isEmpty)
        #expect(server.logLines(with: " ready: ").count { $0.hasSuffix("tunnel=two") } == 1)
        try await application.echo([2], within: .seconds(2))
        #expect(try await client.stop(within: .seconds(10)) == .code(0))
      }
    }

    @Test("Tunnels do not outlive the process that runs them, and the next goes on with their flows")
    func parentKilled() async throws {
      try await Topology.pair { net in
        let (serverFile, clientFile) = (try File(Self.servers()), try File(Self.clients(on: net)))
        let server = try await run(serverFile, in: net.server)
        let client = try await run(clientFile, in: net.client)
        try await Load.echo(in: net.server, at: Self.ways[0].service)
        let application = try DatagramSocket.connected(to: Self.ways[0].entrance, in: net.client)
        try await application.echo([1], within: .seconds(2))
        try await server.stop(SIGKILL)
        try await until("all processes to be gone", within: .seconds(5)) {
          try net.server.processes(named: "guise").isEmpty
        }
        let next = try await run(serverFile, in: net.server)
        #expect(next.logLines(with: "going on with 1 flows").count == 1)
        try await application.echo([2], within: .seconds(2))
        for gateway in [client, next] {
          #expect(try await gateway.stop(within: .seconds(10)) == .code(0))
        }
      }
    }

    @Test(
      "A tunnel that is stopped, or taken from the file, while it waits to be started again leaves nothing",
      arguments: [false, true])
    func stoppedWhileDown(isRemoved: Bool) async throws {
      try await Topology.lone { host in
        let before = try HostState(of: host)
        let file = try File(Self.servers())
        let server = try await run(file, in: host)
        var deaths = 0
        try await until("a tunnel that is down for a while", within: .seconds(20)) {
          if server.logLines(with: "starting it again in 0.8 seconds").count == 1 { return true }
          let died = server.logLines(with: "tunnel two: process").count {
            $0.contains("was killed by signal 9")
          }
          let ready = server.logLines(with: " ready: ").count { $0.hasSuffix("tunnel=two") }
          guard died == deaths, ready > died else { return false }
          kill(try process(of: "two", server), SIGKILL)
          deaths += 1
          return false
        }
        if isRemoved {
          try file.write(Self.servers().split(separator: "[server.two]")[0] + "")
          server.process.send(SIGHUP)
          try await until("the other to go on alone", within: .seconds(5)) {
            !server.logLines(with: "1 of 1 tunnel up").isEmpty
          }
          #expect(server.logLines(with: "which could not: device").count == 1)
          #expect(server.logLines(with: "starting it again").count == deaths)
        }
        #expect(try await server.stop(within: .seconds(10)) == .code(0))
        try before.expectUnchanged(on: host)
      }
    }

    @Test("Of a tunnel that ends while another process is to take over from it, nothing is left")
    func killedInSuccession() async throws {
      try await Topology.lone { host in
        let before = try HostState(of: host)
        let file = try File(Self.servers())
        let server = try await run(file, in: host)
        let old = try process(of: "two", server)
        // It does not let go of anything, so that the next one waits for it.
        kill(old, SIGSTOP)
        try file.write(Self.servers(["two": "idle-timeout = 100"]))
        server.process.send(SIGHUP)
        try await until("another process that waits for it", within: .seconds(5)) {
          server.logLines(with: "at most").count { $0.hasSuffix("tunnel=two") } == 2
        }
        let next = try process(of: "two", server)
        try file.write(Self.servers().split(separator: "[server.two]")[0] + "")
        server.process.send(SIGHUP)
        try await until("the other to be all there is", within: .seconds(5)) {
          !server.logLines(with: "tunnel two: no longer in the configuration file").isEmpty
        }
        for process in [old, next] { kill(process, SIGKILL) }
        try await until("what the killed one left to be gone", within: .seconds(5)) {
          server.logLines(with: "which could not: device").count == 1
        }
        #expect(try await server.stop(within: .seconds(10)) == .code(0))
        try before.expectUnchanged(on: host)
      }
    }

    @Test("Where no tunnel can start, the exit status is 1, and a file that makes no sense is 2")
    func exitCodes() async throws {
      try await Topology.lone { host in
        let before = try HostState(of: host)
        let taken = try DatagramSocket.bound(to: "127.0.0.1:1234", in: host)
        let busy = try File("[client.a]\nlocal = \"127.0.0.1:1234\"\nremote = \"192.0.2.1:1\"\n")
        let wrong = try File("[client.a]\n")
        for (file, code, text) in [
          (busy, 1, "guise: a: UDP port 1234 is taken"), (wrong, 2, ":1: [client.a] lacks 'local'"),
        ] {
          let gateway = try Gateway.launch(["run", "--config", file.path], in: host)
          #expect(try await gateway.process.ended(within: .seconds(10)) == .code(Int32(code)))
          #expect(gateway.log.contains(text))
        }
        withExtendedLifetime(taken) {}
        try before.expectUnchanged(on: host)
      }
    }

    @Test(
      "Under a service manager, tunnels that cannot start yet are tried again, and it hears once one is up")
    func startsLater() async throws {
      try await Topology.lone { host in
        var taken: DatagramSocket? = try DatagramSocket.bound(to: "127.0.0.1:1234", in: host)
        let file = try File("[client.a]\nlocal = \"127.0.0.1:1234\"\nremote = \"192.0.2.1:1\"\n")
        let manager = try ServiceManager()
        let gateway = try Gateway.launch(
          ["run", "--config", file.path], in: host, wrapper: ["env", "NOTIFY_SOCKET=\(manager.path)"])
        try await until("three attempts", within: .seconds(5)) {
          gateway.logLines(with: "UDP port 1234 is taken").count >= 3
        }
        #expect(!manager.heard().contains { $0.contains("READY=1") })
        withExtendedLifetime(taken) {}
        taken = nil
        try await until("it to be up", within: .seconds(10)) {
          manager.heard().contains("READY=1\nSTATUS=1 of 1 tunnel up")
        }
        #expect(try await gateway.stop(within: .seconds(10)) == .code(0))
      }
    }

    @Test("A file that changes while a tunnel is taken over is followed, too")
    func reloadsInARow() async throws {
      try await Topology.pair { net in
        let file = try File(Self.servers())
        let server = try await run(file, in: net.server)
        for round in 1...8 {
          try file.write(Self.servers(["two": "idle-timeout = \(100 + round)"]))
          server.process.send(SIGHUP)
          // Then the successor makes sure of rules before it says that it is ready.
          try await until("its predecessor to go", within: .seconds(5)) {
            server.logLines(with: "goes on with the flows; ended").count >= 2 * round - 1
          }
          try file.write(Self.servers(["two": "idle-timeout = \(200 + round)"]))
          server.process.send(SIGHUP)
          try await until("the last one to be what runs", within: .seconds(5)) {
            // One that ends meanwhile has none.
            let lines = try net.server.processes(named: "guise").compactMap { process in
              try? String(contentsOfFile: "/proc/\(process)/cmdline", encoding: .utf8)
            }
            return lines.count { $0.contains("--name=two") } == 1
              && lines.contains { $0.contains("--idle-timeout=\(200 + round)") }
          }
        }
        #expect(server.logLines(with: " ready: ").count { $0.hasSuffix("tunnel=one") } == 1)
        #expect(try await server.stop(within: .seconds(10)) == .code(0))
      }
    }

    /// The one that was started last.
    private func process(of tunnel: String, _ gateway: Gateway) throws -> pid_t {
      guard let match = gateway.log.matches(of: try Regex("tunnel \(tunnel): process (\\d+)")).last,
        let text = match.output[1].substring, let process = pid_t(text)
      else { throw CommandFailure(description: "no process of tunnel \(tunnel) in the log") }
      return process
    }
  }
}
