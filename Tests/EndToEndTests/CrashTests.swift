import Foundation
import Glibc
import Testing

extension EndToEnd.Faults {
  /// A gateway that is killed, or replaced while it runs, comes back with its flows.
  @Suite("Crash")
  struct Crash {
    enum End: String, CaseIterable, Sendable { case client, server }

    /// How one process follows another.
    struct Succession: Sendable, CustomTestStringConvertible {
      let variant: Variant
      let takesOver: Bool
      var testDescription: String { "\(takesOver ? "takeover" : "kill -9"), \(variant.testDescription)" }
      static let all = [("io_uring", 1), ("epoll", 2), ("epoll", 1), ("io_uring", 2)].enumerated().map {
        Succession(variant: Variant(engine: $1.0, workers: $1.1), takesOver: $0 >= 2)
      }
    }

    private static let flowCount = 50

    /// On a quiet machine, flows are silent for 10 to 80 ms; here, others may need the CPUs. A flow that
    /// nobody goes on with is silent for ever, and one that begins anew has another UDP port.
    @Test(
      "Every flow goes on, with the UDP port that the service knows", arguments: End.allCases, Succession.all)
    func underTraffic(_ end: End, _ succession: Succession) async throws {
      try await Topology.pair { net in
        let before = [try HostState(of: net.client), try HostState(of: net.server)]
        let tunnel = try await Tunnel.up(on: net, succession.variant)
        let sink = try await Load.sink(in: net.server, at: Tunnel.service)
        let source = try Load.startSending(
          in: net.client, to: Tunnel.entrance, rate: "2500p", seconds: 3,
          ["--flows", "\(Self.flowCount)", "--size", "100", "--opening", "2"])
        try await until("all flows to be open", within: .seconds(3)) {
          try self.ports(towardsServiceOn: net.server).count == Self.flowCount
        }
        try await Task.sleep(for: .milliseconds(700))
        let ports = try self.ports(towardsServiceOn: net.server)

        let old = end == .client ? tunnel.client : tunnel.server
        let other = end == .client ? tunnel.server : tunnel.client
        let next = try await replace(old, end, succession, on: net)
        try await source.ended(within: .seconds(10))
        let received = try await Load.stop(sink, for: Load.Received.self)
        #expect(received.flows == Self.flowCount)
        #expect(received.longestSilenceSeconds < 1)
        #expect(received.corrupt == 0 && received.duplicated == 0)
        #expect(try self.ports(towardsServiceOn: net.server) == ports)
        let (fresh, peer) = (try await next.counters(), try await other.counters())
        #expect(try fresh["flows resumed"] == Self.flowCount && fresh["flows opened"] == 0)
        #expect(try peer["flows opened"] == Self.flowCount && peer["flows closed"] == 0)

        for gateway in [next, other] { try await gateway.stop() }
        for (host, before) in zip([net.client, net.server], before) { try before.expectUnchanged(on: host) }
      }
    }

    /// The host's own TCP knows none of the flows: a packet that is not translated for a moment, it answers with a reset.
    @Test(
      "IPv6 flows of a server for both families go on, however often it is replaced",
      arguments: [false, true])
    func bothFamilies(takesOver: Bool) async throws {
      try await Topology.pair { net in
        var server = try await Gateway.start(Tunnel.serverArguments, in: net.server)
        #expect(server.log.contains("IPv6 as"))
        let client = try await Gateway.start(
          ["client", "--local", Tunnel.entrance, "--remote", "[\(net.serverAddress6)]:4567"], in: net.client)
        let sink = try await Load.sink(in: net.server, at: Tunnel.service)
        let source = try Load.startSending(
          in: net.client, to: Tunnel.entrance, rate: "3000p", seconds: 6,
          ["--flows", "\(Self.flowCount)", "--size", "100", "--opening", "1"])
        try await until("all flows to be open", within: .seconds(3)) {
          try self.ports(towardsServiceOn: net.server).count == Self.flowCount
        }
        let ports = try self.ports(towardsServiceOn: net.server)
        let succession = Succession(variant: Variant(engine: "epoll", workers: 1), takesOver: takesOver)
        for _ in 0..<10 { server = try await replace(server, .server, succession, on: net) }
        try await source.ended(within: .seconds(10))
        let received = try await Load.stop(sink, for: Load.Received.self)
        #expect(received.flows == Self.flowCount)
        #expect(try self.ports(towardsServiceOn: net.server) == ports)
        #expect(try await client.counters()["flows closed"] == 0)
      }
    }

    private func replace(
      _ old: Gateway, _ end: End, _ succession: Succession, on net: Topology
    ) async throws -> Gateway {
      let own: [String] = end == .client ? Tunnel.clientArguments(on: net) : Tunnel.serverArguments
      let arguments: [String] = own + succession.variant.arguments
      guard succession.takesOver else {
        try await old.stop(SIGKILL)
        return try await Gateway.start(arguments, in: old.host)
      }
      let next = try await Gateway.start(arguments + ["--takeover"], in: old.host)
      #expect(try await old.process.ended(within: .seconds(3)) == .code(0))
      #expect(!old.logLines(with: "goes on with the flows").isEmpty)
      return next
    }

    /// The flows' UDP ports, as the kernel of the server's host has them.
    private func ports(towardsServiceOn host: Namespace) throws -> [String] {
      var ports: [String] = []
      for line in try host.run("cat", "/proc/net/udp").split(separator: "\n") {
        let columns = line.split(separator: " ")
        if columns.count > 2, columns[2] == "0100007F:1388" { ports.append(String(columns[1])) }
      }
      return ports.sorted()
    }

    @Test("What is no flow file, or a damaged one, is said, and flows begin anew", arguments: [0, 40])
    func damagedFile(_ place: Int) async throws {
      try await Topology.pair { net in
        let tunnel = try await Tunnel.up(on: net)
        try await tunnel.echoService()
        let application = try tunnel.application()
        try await application.echo([1], within: .seconds(2))
        try await tunnel.server.stop(SIGKILL)
        let file = try #require(net.server.stateFiles.first { $0.hasSuffix(".flows") })
        try damage(file, at: place)
        let next = try await Gateway.start(Tunnel.serverArguments, in: net.server)
        #expect(next.logLines(with: "is of no use, since").count == 1)
        try await application.echo([2], within: .seconds(3))
        #expect(try await next.counters()["flows resumed"] == 0)
      }
    }

    private func damage(_ file: String, at place: Int) throws {
      var bytes = try Data(contentsOf: URL(filePath: file))
      bytes[place] ^= 0x55
      try bytes.write(to: URL(filePath: file))
    }

    @Test("Where there is no room for flows, the gateway runs without keeping them")
    func fullDisk() async throws {
      let disk = FileManager.default.temporaryDirectory.appending(path: "ge-small-\(UUID())").path()
      try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: false)
      try #require(unsafe mount("tmpfs", disk, "tmpfs", 0, "size=8192") == 0)
      defer {
        unsafe umount2(disk, Int32(MNT_DETACH))
        unsafe rmdir(disk)
      }
      try await Topology.pair { net in
        let tunnel = try await Tunnel.up(on: net, serverOptions: ["--flow-file", "\(disk)/flows"])
        #expect(tunnel.server.logLines(with: "cannot keep flows in").count == 1)
        try await tunnel.echoService()
        try await tunnel.application().echo([1], within: .seconds(2))
        try await tunnel.server.stop()
        #expect(FileManager.default.subpaths(atPath: disk) == [])
      }
    }

    @Test("A flow file in a directory of root's is nobody's predecessor after an orderly end")
    func rootsDirectory() async throws {
      let folder = FileManager.default.temporaryDirectory.appending(path: "ge-root-\(UUID())").path()
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o755])
      defer { try? FileManager.default.removeItem(atPath: folder) }
      try await Topology.pair { net in
        let arguments = Tunnel.clientArguments(on: net) + ["--flow-file", "\(folder)/flows"]
        for _ in 0..<2 {
          let client = try await Gateway.start(arguments, in: net.client)
          #expect(
            client.logLines(with: "going on with").isEmpty && client.logLines(with: "is of no use").isEmpty)
          // It goes on as a user who can remove nothing there.
          try await client.stop()
          let left = try FileManager.default.attributesOfItem(atPath: "\(folder)/flows")
          #expect(left[.size] as? Int == 0)
        }
      }
    }

    @Test(
      "A server that translates in another way than its predecessor leaves nothing of that way, and flows go on",
      arguments: [["tracked", "auto"], ["auto", "tracked"]], [false, true])
    func otherTranslation(modes: [String], isTakenOver: Bool) async throws {
      try await Topology.pair { net in
        let tunnel = try await Tunnel.up(on: net, serverOptions: ["--firewall", modes[0]])
        try await tunnel.echoService()
        let application = try tunnel.application()
        try await application.echo([1], within: .seconds(2))
        if !isTakenOver { try await tunnel.server.stop(SIGKILL) }
        let next = try await Gateway.start(
          Tunnel.serverArguments + ["--firewall", modes[1]] + (isTakenOver ? ["--takeover"] : []),
          in: net.server)
        // It makes sure of rules and programs once datagrams pass.
        try await until("rules and programs of the new way alone", within: .seconds(5)) {
          let tables = try net.server.run("nft", "list", "tables")
          let filters = try net.server.run("tc", "filter", "show", "dev", "guise0", "ingress")
          return tables.contains("guise_") == (modes[1] == "tracked")
            && filters.contains("guise") == (modes[1] == "auto")
        }
        try await application.echo([2], within: .seconds(3))
        let counters = try await tunnel.client.counters()
        #expect(try counters["flows opened"] == 1 && counters["flows closed"] == 0)
        #expect(try await next.stop(within: .seconds(10)) == .code(0))
        #expect(try !net.server.run("nft", "list", "tables").contains("guise_"))
      }
    }

    @Test("A second process of an end says that there is a first, and keeps its hands off its flows")
    func second() async throws {
      try await Topology.pair { net in
        let first = try await Gateway.start(Tunnel.serverArguments, in: net.server)
        let second = try await Gateway.start(Tunnel.serverArguments, in: net.server)
        #expect(second.logLines(with: "has this end already ('--takeover' replaces it)").count == 1)
        try await second.stop()
        #expect(net.server.stateFiles.contains { $0.hasSuffix(".flows") })
        try await first.stop()
        #expect(!net.server.stateFiles.contains { $0.hasSuffix(".flows") })
      }
    }

    @Test("With nobody to take over from, a gateway starts like any other")
    func nobodyToReplace() async throws {
      try await Topology.pair { net in
        let tunnel = try await Tunnel.up(on: net, serverOptions: ["--takeover"])
        try await tunnel.echoService()
        try await tunnel.application().echo([1], within: .seconds(2))
      }
    }
  }
}
