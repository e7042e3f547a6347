import Foundation
import Testing

extension EndToEnd.Traffic {
  /// Strangers who know a live flow, and send whatever they like.
  @Suite("Hostile")
  struct Hostile {
    /// Packets to each end. `GUISE_FORGED_COUNT` is what both get together: `make hostile` sends a million.
    private static let count =
      ProcessInfo.processInfo.environment["GUISE_FORGED_COUNT"].flatMap { Int($0) }.map { $0 / 2 } ?? 60_000
    /// To each end, in a second.
    private static let rate = 15_000
    /// More than this may wait for a gateway that gets no CPU: what overflows is the kernel's loss, not guise's.
    private static let queueLength = "50000"
    /// The ends' addresses behind their devices.
    private static let behindClient = "192.168.200.2"
    private static let behindServer = "192.168.201.2"

    /// Past connection tracking, which would keep most of it away.
    @Test(
      "Forged and malformed packets cost a live flow nothing, and counters name every one",
      arguments: Variant.eachEngine(workers: 1))
    func forged(_ variant: Variant) async throws {
      try await Topology.routed(nat: false) { net in
        let stateless = ["--firewall", "stateless"]
        let tunnel = try await Tunnel.up(on: net, variant, clientOptions: stateless, serverOptions: stateless)
        let router = try #require(net.router)
        try router.ip("route", "add", "blackhole", SynFlood.senders)
        try router.ip("route", "add", Self.behindClient, "via", net.clientAddress4)
        try router.ip("route", "add", Self.behindServer, "via", net.serverAddress4)
        for end in tunnel.ends {
          try end.host.ip("link", "set", "dev", end.device, "txqueuelen", Self.queueLength)
        }
        let echo = try await tunnel.echoService()
        let tap = try Tap(in: router)
        let seconds = 10 * (1 + Self.count / Self.rate)
        let load = try Load.startSending(
          in: net.client, to: Tunnel.entrance, rate: "1000p", seconds: seconds, ["--size", "300", "--echo"])
        let live = try await eventually("a data segment", within: .seconds(5)) {
          tap.latest { $0.destinationPort == 4567 && !$0.payload.isEmpty && $0.acknowledgement != 0 }
        }
        let toServer = try forge(live, against: "server", behind: Self.behindServer, from: router)
        let toClient = try forge(live.reversed, against: "client", behind: Self.behindClient, from: router)
        let limit = Duration.seconds(seconds)
        let forgedToServer = try await Load.report(Load.Forged.self, of: toServer, within: limit)
        let forgedToClient = try await Load.report(Load.Forged.self, of: toClient, within: limit)
        let report = try await Load.stop(load, for: Load.Sent.self)

        #expect(report.echo?.lost == 0 && report.echo?.corrupt == 0 && report.echo?.duplicated == 0)
        #expect(report.sent > 1_000)
        let (client, server) = try await settled(tunnel, forgedToClient, forgedToServer)
        #expect(try await Load.stop(echo, for: Load.Echoed.self).received == report.sent)
        for (end, table) in zip(tunnel.ends, [client, server]) {
          #expect(try table["flows opened"] == 1 && table["flows closed"] == 0)
          #expect(try end.host.run("cat", "/sys/class/net/\(end.device)/statistics/tx_dropped") == "0\n")
        }
        try expect(
          forgedToServer, server,
          Self.fates(unknownFlow: ["stranger-ack", "stranger-reset", "stranger-no-ack"])
        ) {
          // What the client answered to its own strangers.
          $0 == "unknown-flow" ? try client["resets sent"] : 0
        }
        #expect(try server["cookies sent"] == forgedToServer.count("stranger-syn") + 1)
        #expect(try server["foreign-port"] == forgedToServer.count("other-port"))
        try expect(
          forgedToClient, client,
          Self.fates(
            unknownFlow: ["stranger-ack", "stranger-reset", "stranger-no-ack", "stranger-syn", "other-port"]))
        for (end, forged, table) in [
          (tunnel.client, forgedToClient, client), (tunnel.server, forgedToServer, server),
        ] {
          #expect(try table["fragment"] + keptFragments(on: end.host) == forged.fragments)
        }
      }
    }

    /// Which kinds each drop reason names.
    private static func fates(unknownFlow: [String]) -> [String: [String]] {
      [
        "reset-not-credible": ["reset-behind", "reset-ahead", "reset-with-ack", "every-flag"],
        "outside-window": ["far-data", "far-ack", "bad-options", "ip-options"],
        "bad-flags": ["no-ack"],
        "bad-checksum": ["bad-checksum"],
        "bad-header-length": ["short-offset", "long-offset"],
        "short-packet": ["cut-header"],
        "icmp-not-credible": ["packet-too-big"],
        "unsupported-packet": ["other-protocol"],
        "unknown-flow": unknownFlow,
      ]
    }

    private func expect(
      _ forged: Load.Forged, _ table: CounterTable, _ fates: [String: [String]],
      others: (String) throws -> Int = { _ in 0 }
    ) throws {
      for (reason, kinds) in fates {
        let count = kinds.reduce(0) { $0 + forged.count($1) }
        #expect(count > 0)
        #expect(try table[reason] == count + others(reason), "\(reason)")
      }
    }

    /// Both tables, once all that was sent to each end has come to it: what the other end sent, and what was
    /// forged but for the fragments that the kernel keeps.
    private func settled(
      _ tunnel: Tunnel, _ toClient: Load.Forged, _ toServer: Load.Forged
    ) async throws -> (client: CounterTable, server: CounterTable) {
      let kept = try tunnel.ends.map { try keptFragments(on: $0.host) }
      let deadline = ContinuousClock.now + .seconds(10)
      while true {
        let (client, server) = (try await tunnel.client.counters(), try await tunnel.server.counters())
        let missing = [
          try missing(server, from: client, forged: toServer.sent - kept[1]),
          // Cookies go to the strangers, but for the first.
          try missing(client, from: server, forged: toClient.sent - kept[0]) + 1 - server["cookies sent"]
            - server["resets sent"],
        ]
        if missing == [0, 0] { return (client, server) }
        guard ContinuousClock.now < deadline else {
          throw Overdue(description: "\(missing) packets never came: \(client)\n\(server)")
        }
        try await Task.sleep(for: .milliseconds(100))
      }
    }

    private func missing(_ end: CounterTable, from other: CounterTable, forged: Int) throws -> Int {
      try other["segments out"] + other["control segments out"] + forged - end["segments in"]
    }

    private func forge(
      _ live: Segment, against target: String, behind: String, from host: Namespace
    ) throws -> ChildProcess {
      func endpoint(_ address: [UInt8], _ port: UInt16) -> String {
        address.map { "\($0)" }.joined(separator: ".") + ":\(port)"
      }
      return try Load.startForging(
        in: host, to: endpoint(live.destination, live.destinationPort),
        as: endpoint(live.source, live.sourcePort),
        [
          "--sequence", "\(live.sequence)", "--acknowledgement", "\(live.acknowledgement)", "--against",
          target, "--behind", behind, "--count", "\(Self.count)", "--rate", "\(Self.rate)p",
        ])
    }

    /// IP fragments that a host's kernel has taken to put them together, as it does where connections are tracked
    /// (`ReasmReqds` of proc(5)'s net/snmp).
    private func keptFragments(on host: Namespace) throws -> Int {
      let lines = try host.run("cat", "/proc/net/snmp").split(separator: "\n").filter { $0.hasPrefix("Ip:") }
      let rows = lines.map { $0.split(separator: " ") }
      let column = try #require(rows.first?.firstIndex(of: "ReasmReqds"))
      return try #require(Int(rows[1][column]))
    }
  }
}

extension Load.Forged {
  fileprivate func count(_ kind: String) -> Int { kinds[kind] ?? 0 }
  fileprivate var fragments: Int { count("first-fragment") + count("later-fragment") }
}
