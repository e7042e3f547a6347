import Foundation
import Testing

extension EndToEnd.Traffic {
  /// Programs that people run in earnest, each between the same two ends as in every other test.
  @Suite("Real clients")
  struct RealClients {
    @Test("TCP inside wireguard-go runs both ways", arguments: Variant.eachEngine())
    func wireGuard(_ variant: Variant) async throws {
      try await Topology.pair { net in
        let tunnel = try await Tunnel.up(on: net, variant)
        let network = try await WireGuardNetwork.up(through: tunnel)
        try await expectStreams(from: net.client, to: WireGuardNetwork.serverAddress, on: net)
        #expect(try network.hasShakenHands())
      }
    }

    @Test("TCP inside OpenVPN over UDP runs both ways", arguments: Variant.eachEngine())
    func openVPN(_ variant: Variant) async throws {
      try await Topology.pair { net in
        try await OpenVPNNetwork.up(through: Tunnel.up(on: net, variant))
        try await expectStreams(from: net.client, to: OpenVPNNetwork.serverAddress, on: net)
      }
    }

    @Test("dnsmasq answers every question of dnsperf", arguments: Variant.eachEngine())
    func dns(_ variant: Variant) async throws {
      try await Topology.pair { net in
        let tunnel = try await Tunnel.up(on: net, variant)
        let service = try SocketName(Tunnel.service)
        _ = try net.server.start([
          "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--user=root",
          "--no-hosts",
          "--no-resolv", "--bind-interfaces", "--listen-address=127.0.0.1", "--port=\(service.port)",
          "--address=/guise.test/192.0.2.7", "--dns-forward-max=1000",
        ])
        try await net.server.listens(to: service.port)
        let questions = try net.client.file("questions", Array("a.guise.test A\nb.guise.test A\n".utf8))
        let entrance = try SocketName(Tunnel.entrance)
        // -c: as many sockets, and so flows.
        let asking = try net.client.start([
          "dnsperf", "-s", "127.0.0.1", "-p", "\(entrance.port)", "-d", questions, "-c", "8", "-Q", "2000",
          "-l", "2",
        ])
        try await asking.ended(within: .seconds(20))
        let sent = try number(/Queries sent: +(\d+)/, in: asking)
        #expect(sent > 1_000, "\(asking.output)")
        #expect(try number(/Queries completed: +(\d+)/, in: asking) == sent, "\(asking.output)")
        #expect(try number(/NOERROR (\d+)/, in: asking) == sent, "\(asking.output)")
        #expect(try await tunnel.client.counters()["flows open"] == 8)
      }
    }

    @Test("Sound sent as RTP by GStreamer arrives as it was", arguments: Variant.eachEngine())
    func rtp(_ variant: Variant) async throws {
      try await Topology.pair { net in
        _ = try await Tunnel.up(on: net, variant)
        let service = try SocketName(Tunnel.service)
        let entrance = try SocketName(Tunnel.entrance)
        // Two seconds of a tone in 200 packets of 10 ms (RFC 3551 §4.5.11).
        let sound = [
          "audiotestsrc", "num-buffers=200", "samplesperbuffer=480", "!", "audio/x-raw,rate=48000,channels=1",
          "!",
          "rtpL16pay", "min-ptime=10000000", "max-ptime=10000000",
        ]
        let format = "application/x-rtp,media=audio,clock-rate=48000,encoding-name=L16,channels=1"
        let received = try net.server.file("received", [])
        let reference = try net.client.file("reference", [])
        // Ends when it has them all, or never.
        let receiver = try net.server.start(
          [
            "gst-launch-1.0", "-q", "udpsrc", "address=127.0.0.1", "port=\(service.port)", "num-buffers=200",
            "caps=\(format)", "!", "rtpL16depay", "!", "filesink", "location=\(received)",
          ])
        try await net.server.listens(to: service.port)
        let sender = try net.client.start(
          ["gst-launch-1.0", "-q"] + sound + ["!", "udpsink", "host=127.0.0.1", "port=\(entrance.port)"])
        #expect(try await receiver.ended(within: .seconds(20)) == .code(0))
        try await sender.ended(within: .seconds(5))
        let local = try net.client.start(
          ["gst-launch-1.0", "-q"] + sound + ["!", "rtpL16depay", "!", "filesink", "location=\(reference)"])
        #expect(try await local.ended(within: .seconds(20)) == .code(0))
        let bytes = try Data(contentsOf: URL(fileURLWithPath: received))
        #expect(bytes.count == 200 * 480 * 2)
        #expect(try bytes == Data(contentsOf: URL(fileURLWithPath: reference)))
      }
    }

    @Test(
      "A QUIC download arrives whole, though its client goes on from another port",
      arguments: Variant.eachEngine())
    func quic(_ variant: Variant) async throws {
      try await Topology.pair { net in
        let tunnel = try await Tunnel.up(on: net, variant)
        let service = try SocketName(Tunnel.service)
        let entrance = try SocketName(Tunnel.entrance)
        let certificate = try Certificate(of: net.server)
        let sent = try net.server.file("download", [])
        let received = try net.client.file("download", [])
        try net.server.run("sh", "-c", "head -c 10000000 /dev/urandom > \(sent)")
        _ = try net.server.start([
          "gtlsserver", "--quiet", "--mime-types-file=/dev/null", "--htdocs=\(folder(of: sent))", "127.0.0.1",
          "\(service.port)", certificate.keyFile, certificate.file,
        ])
        try await net.server.listens(to: service.port)
        // It moves (RFC 9000 §9) long before it can have all: a port of its own is a flow of its own.
        let client = try net.client.start([
          "gtlsclient", "--quiet", "--exit-on-all-streams-close", "--change-local-addr=20ms",
          "--download=\(folder(of: received))", "127.0.0.1", "\(entrance.port)",
          "https://guise.test/download",
        ])
        #expect(try await client.ended(within: .seconds(20)) == .code(0), "\(client.log)")
        try net.client.run("cmp", sent, received)
        #expect(try await tunnel.client.counters()["flows opened"] == 2)
      }
    }

    @Test(
      "Every question of sockperf is answered before the next, none is lost", arguments: Variant.eachEngine())
    func pingPong(_ variant: Variant) async throws {
      try await Topology.pair { net in
        _ = try await Tunnel.up(on: net, variant)
        let service = try SocketName(Tunnel.service)
        let entrance = try SocketName(Tunnel.entrance)
        _ = try net.server.start(["sockperf", "server", "-i", "127.0.0.1", "-p", "\(service.port)"])
        try await net.server.listens(to: service.port)
        // It waits for each answer without a limit, and ends by SIGALRM.
        let client = try net.client.start([
          "sockperf", "ping-pong", "-i", "127.0.0.1", "-p", "\(entrance.port)", "--time", "1",
          "--data-integrity",
        ])
        #expect(try await client.ended(within: .seconds(20)) == .code(0), "\(client.output)")
        // Whatever it waits for when time is up does not count.
        let sent = try number(/SentMessages=(\d+)/, in: client)
        let received = try number(/ReceivedMessages=(\d+)/, in: client)
        #expect(sent - received <= 1 && received > 100, "\(client.output)")
      }
    }

    // MARK: -

    /// A TCP stream each way, by iperf3.
    private func expectStreams(from host: Namespace, to address: String, on net: Topology) async throws {
      _ = try net.server.start(["iperf3", "--server", "--bind", address])
      for direction in [[], ["--reverse"]] {
        let port = 5201
        try await until("iperf3 to listen", within: .seconds(5)) {
          try net.server.run("ss", "-tlnH").contains(":\(port) ")
        }
        let run = try host.start(["iperf3", "--client", address, "--time", "2", "--json"] + direction)
        #expect(try await run.ended(within: .seconds(20)) == .code(0), "\(run.output)")
        let report = try JSONDecoder().decode(StreamReport.self, from: Data(run.output.utf8))
        // No rate is asked of a busy machine, only that a stream flows to the end.
        #expect(report.end.received.bytes > 2_000_000, "\(run.output)")
      }
    }

    private func folder(of path: String) -> String {
      URL(fileURLWithPath: path).deletingLastPathComponent().path
    }

    private func number(_ pattern: Regex<(Substring, Substring)>, in process: ChildProcess) throws -> Int {
      let match = try #require(process.output.firstMatch(of: pattern), "\(process.output)\(process.log)")
      return try #require(Int(match.1))
    }
  }
}

/// What a run of iperf3 reports.
private struct StreamReport: Decodable {
  struct End: Decodable {
    let received: Sum

    enum CodingKeys: String, CodingKey { case received = "sum_received" }
  }
  struct Sum: Decodable { let bytes: Int }

  let end: End
}

extension Namespace {
  /// Waits until a UDP socket is bound to `port`.
  fileprivate func listens(to port: UInt16) async throws {
    try await until("a program to take UDP port \(port)", within: .seconds(10)) {
      try run("ss", "-ulnH").contains(":\(port) ")
    }
  }
}
