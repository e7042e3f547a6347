import Foundation
import Glibc
import Testing

extension EndToEnd.Faults {
  /// What breaks on the host under a running gateway, or is missing when it starts.
  @Suite("Host faults")
  struct HostFaults {
    private static let engines = Variant.eachEngine(workers: 1)

    @Test("Links that go down for a moment cost what was on the way, and flows go on", arguments: engines)
    func linksDown(_ variant: Variant) async throws {
      try await Topology.pair { net in
        let tunnel = try await Tunnel.up(on: net, variant)
        try await tunnel.echoService()
        let application = try tunnel.application()
        try await application.echo([1], within: .seconds(2))
        let links = [
          (net.client, "eth0"), (net.client, try tunnel.client.device),
          (net.server, try tunnel.server.device),
        ]
        for (number, (host, device)) in links.enumerated() {
          try host.ip("link", "set", device, "down")
          let load = try Load.startSending(
            in: net.client, to: Tunnel.entrance, rate: "2000p", seconds: 1, ["--gso", "4"])
          try await load.ended(within: .seconds(5))
          try host.ip("link", "set", device, "up")
          try await application.echo([2, UInt8(number)], within: .seconds(10))
        }
        for gateway in tunnel.ends {
          #expect(gateway.process.poll() == nil)
          #expect(try await gateway.stop() == .code(0))
        }
        let client = try tunnel.client.finalCounters()
        #expect(try client["tun-write-failed"] + client["control segments refused"] > 0)
        #expect(try client["datagrams in"] == client["segments out"] + client.dropsOfDatagrams, "\(client)")
      }
    }

    @Test(
      "Rules, or programs at tc, that somebody flushes under traffic are back within seconds, and flows go on",
      arguments: engines, ["tracked", "tc"])
    func rulesFlushed(_ variant: Variant, firewall: String) async throws {
      try await Topology.pair { net in
        let options = ["--firewall", firewall]
        let tunnel = try await Tunnel.up(on: net, variant, clientOptions: options, serverOptions: options)
        let sink = try await Load.sink(in: net.server, at: Tunnel.service)
        let load = try Load.startSending(in: net.client, to: Tunnel.entrance, rate: "1000p", seconds: 6)
        for gateway in tunnel.ends {
          try await Task.sleep(for: .seconds(1))
          let host = gateway.host
          let show =
            firewall == "tc"
            ? { try host.run("tc", "filter", "show", "dev", "eth0", "ingress") }
            : { try host.run("nft", "--stateless", "list", "ruleset") }
          let rules = try show()
          #expect(rules.contains("guise"))
          if firewall == "tc" {
            try host.run("tc", "qdisc", "del", "dev", "eth0", "clsact")
          } else {
            try host.run("nft", "flush", "ruleset")
          }
          try await until("the rules to be back", within: .seconds(5)) { try show() == rules }
          try await gateway.counts("rules restored", 1)
        }
        let sent = try await Load.report(Load.Sent.self, of: load, within: .seconds(15))
        let received = try await Load.stop(sink, for: Load.Received.self)
        print(
          "\(variant): \(firewall) flushed at both ends, \(sent.sent - received.received) of \(sent.sent) lost, "
            + "silent for \(received.longestSilenceSeconds) s at most")
        #expect(received.longestSilenceSeconds < 3)
        #expect(received.corrupt == 0)
      }
    }

    @Test("Where the state directory has no room, that is said, and datagrams pass")
    func fullStateDirectory() async throws {
      let full = """
        mkdir -p /run/guise && mount -t tmpfs -o size=4096 none /run/guise && \
        { head -c 100000 /dev/zero > /run/guise/filler 2>/dev/null || true; } && exec "$@"
        """
      try await Topology.pair { net in
        _ = try await Gateway.start(Tunnel.clientArguments(on: net), in: net.client)
        let before = try HostState(of: net.server)
        let server = try await Gateway.start(
          Tunnel.serverArguments, in: net.server, wrapper: ["unshare", "--mount", "sh", "-c", full, "sh"])
        #expect(server.log.contains("nobody cleans up if it is killed"))
        #expect(server.logLines(with: "cannot keep flows").count == 1)
        try await Load.echo(in: net.server, at: Tunnel.service)
        try await DatagramSocket.connected(to: Tunnel.entrance, in: net.client).echo([1], within: .seconds(2))
        #expect(try await server.stop() == .code(0))
        try before.expectUnchanged(on: net.server)
      }
    }

    @Test(
      "Where memory is limited to less than is needed, that is said, and the host is as before",
      arguments: engines)
    func tooLittleMemory(_ variant: Variant) async throws {
      try await Topology.lone { host in
        let before = try HostState(of: host)
        let gateway = try Gateway.launch(
          Tunnel.serverArguments + variant.arguments, in: host, wrapper: ["prlimit", "--as=60000000"])
        #expect(try await gateway.process.ended(within: .seconds(10)) == .code(1))
        #expect(gateway.log.contains("Cannot allocate memory") && gateway.log.contains("ulimit -v"))
        try before.expectUnchanged(on: host)
      }
    }

    @Test(
      "A device that is removed ends the gateway with a word, and the next one goes on with the flows",
      arguments: engines)
    func deviceRemoved(_ variant: Variant) async throws {
      try await Topology.pair { net in
        let before = try HostState(of: net.server)
        let tunnel = try await Tunnel.up(on: net, variant)
        let (application, service) = (try tunnel.application(), try tunnel.listener())
        try application.send([1])
        let source = try await service.next().source
        try net.server.ip("link", "delete", tunnel.server.device)
        #expect(try await tunnel.server.process.ended(within: .seconds(5)) == .code(1))
        #expect(tunnel.server.logLines(with: "the TUN device is gone").count == 1)

        let next = try await Gateway.start(Tunnel.serverArguments + variant.arguments, in: net.server)
        #expect(try await next.counters()["flows resumed"] == 1)
        // The service sees the sender that it knows.
        let arrival = try await eventually("datagrams to pass", within: .seconds(5)) {
          try application.send([2])
          return service.poll()
        }
        #expect(arrival.source.port == source.port)
        try await next.stop()
        try before.expectUnchanged(on: net.server)
      }
    }
  }
}
