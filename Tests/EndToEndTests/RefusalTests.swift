import Glibc
import Testing

extension EndToEnd.Operation {
  /// What a gateway cannot do it says in one line with the remedy, and changes nothing.
  @Suite("Refusals")
  struct Refusals {
    private let client = ["client", "--local", "127.0.0.1:1234", "--remote", "192.0.2.1:4567"]

    @Test("A UDP port that somebody else has is named")
    func portInUse() async throws {
      try await Topology.lone { host in
        let owner = try DatagramSocket.bound(to: "127.0.0.1:1234", in: host)
        try await expectRefusal(of: client, in: host, saying: "port 1234", "taken", "ss -lunp")
        withExtendedLifetime(owner) {}
      }
    }

    @Test("A second client on the same UDP port is refused, and the first goes on")
    func portTakenByAnotherClient() async throws {
      try await Topology.pair { net in
        let tunnel = try await Tunnel.up(on: net, .shared)
        try await tunnel.echoService()
        try await tunnel.application().echo([1], within: .seconds(2))
        try await expectRefusal(
          of: Tunnel.clientArguments(on: net), in: net.client, saying: "port 1234", "taken", "ss -lunp")
        try await tunnel.application().echo([2], within: .seconds(2))
      }
    }

    @Test("A host name that does not resolve is named")
    func unresolvable() async throws {
      try await Topology.lone { host in
        try host.overlay("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        try await expectRefusal(
          of: ["client", "--local", "127.0.0.1:1234", "--remote", "nowhere.invalid:4567"], in: host,
          saying: "nowhere.invalid")
      }
    }

    static let nonsense: [[String]] = [
      ["client"],
      ["client", "--local", "127.0.0.1:1234"],
      ["client", "--local", "127.0.0.1", "--remote", "127.0.0.1:5000"],
      ["client", "--local", "127.0.0.1:1234", "--remote", "127.0.0.1"],
      ["client", "--local", "127.0.0.1:1234", "--remote", "127.0.0.1:70000"],
      ["client", "--local", "127.0.0.1:1234", "--remote", "127.0.0.1:0"],
      ["server", "--local", "0", "--remote", "127.0.0.1:5000"],
      ["server", "--local", "port", "--remote", "127.0.0.1:5000"],
      ["server", "--local", "1", "--remote", "127.0.0.1:5000", "--workers", "0"],
      ["server", "--local", "1", "--remote", "127.0.0.1:5000", "--workers", "257"],
      ["server", "--local", "1", "--remote", "127.0.0.1:5000", "--idle-timeout", "-1"],
      ["server", "--local", "1", "--remote", "127.0.0.1:5000", "--mtu", "10"],
      ["server", "--local", "1", "--remote", "127.0.0.1:5000", "--firewall", "maybe"],
      ["server", "--local", "1", "--remote", "127.0.0.1:5000", "--tun-local", "192.168.1.300"],
      ["server", "--local", "1", "--remote", "127.0.0.1:5000", "--tun", "a-name-longer-than-fifteen"],
      ["server", "--local", "1", "--remote", "127.0.0.1:5000", "--cpus", "3-1"],
      ["server", "--local", "1", "--remote", "127.0.0.1:5000", "--source", "0.0.0.0"],
      ["server", "--local", "1", "--remote", "127.0.0.1:5000", "--source", "127.0.0.1,127.0.0.1"],
      ["client", "--local", "1", "--remote", "127.0.0.1:5000", "--source", "127.0.0.1"],
      ["server", "--local", "1", "--remote", "127.0.0.1:5000", "--frobnicate"],
      ["frobnicate"],
    ]

    @Test("Arguments that make no sense end with exit code 2", arguments: nonsense)
    func usage(_ arguments: [String]) async throws {
      try await Topology.lone { host in
        try await expectRefusal(of: arguments, in: host, code: 2, saying: "Error", "sage")
      }
    }

    @Test("A host without /dev/net/tun is told about the module")
    func noTunDevice() async throws {
      try await Topology.lone { host in
        let hidden = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /dev/net && exec \"$@\"", "sh"]
        try await expectRefusal(of: client, in: host, wrapper: hidden, saying: "/dev/net/tun", "modprobe tun")
      }
    }

    @Test("Without CAP_NET_ADMIN the missing privilege is named")
    func noPrivilege() async throws {
      try await Topology.lone { host in
        let unprivileged = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"]
        try await expectRefusal(
          of: client, in: host, wrapper: unprivileged, saying: "CAP_NET_ADMIN", "root")
      }
    }

    @Test(
      "A missing nft or ip is named with its package", arguments: [("nft", "nftables"), ("ip", "iproute2")])
    func missingTool(_ tool: String, _ package: String) async throws {
      try await Topology.lone { host in
        try await expectRefusal(
          of: client, in: host, wrapper: Self.hiding(tool), saying: "\(tool)", "apt install \(package)")
      }
    }

    @Test("Without nft a gateway runs when the firewall is the operator's business")
    func firewallOff() async throws {
      try await Topology.pair { net in
        try net.client.load(
          rules: """
            table ip mine {
              chain postrouting {
                type nat hook postrouting priority srcnat
                ip saddr 192.168.200.2 masquerade
              }
            }
            """)
        try net.server.load(
          rules: """
            table ip mine {
              chain prerouting {
                type nat hook prerouting priority dstnat
                iifname eth0 tcp dport 4567 dnat to 192.168.201.2
              }
            }
            """)
        for (host, arguments) in [
          (net.server, Tunnel.serverArguments), (net.client, Tunnel.clientArguments(on: net)),
        ] {
          _ = try await Gateway.start(
            arguments + ["--firewall", "off"], in: host, wrapper: Self.hiding("nft"))
        }
        try await Load.echo(in: net.server, at: Tunnel.service)
        try await DatagramSocket.connected(to: Tunnel.entrance, in: net.client).echo([1], within: .seconds(2))
      }
    }

    @Test("Where io_uring is forbidden and asked for, what forbids it and the alternative are named")
    func uringForbidden() async throws {
      try await Topology.lone { host in
        let before = try HostState(of: host)
        let process = try onOwnThread {
          try SystemCallFilter.forbidUring()
          return try host.start([Program.guise.get()] + client + ["--engine", "io_uring"])
        }
        #expect(try await process.ended(within: .seconds(5)) == .code(1))
        #expect(process.log.contains("seccomp"))
        #expect(process.log.contains("--engine epoll"))
        try before.expectUnchanged(on: host)
      }
    }

    @Test("Where io_uring is forbidden and not asked for, epoll carries the traffic and the log says so")
    func uringForbiddenWithoutNeed() async throws {
      try await Topology.pair { net in
        _ = try await Gateway.start(Tunnel.serverArguments, in: net.server)
        let client = try onOwnThread {
          try SystemCallFilter.forbidUring()
          return try Gateway.launch(Tunnel.clientArguments(on: net), in: net.client)
        }
        try await client.isReady()
        #expect(client.logLines(with: "epoll").count >= 1)
        try await Load.echo(in: net.server, at: Tunnel.service)
        try await DatagramSocket.connected(to: Tunnel.entrance, in: net.client).echo([1], within: .seconds(2))
      }
    }

    @Test("A device name that is taken is refused when it was asked for")
    func deviceTaken() async throws {
      try await Topology.lone { host in
        try host.ip("tuntap", "add", "mode", "tun", "name", "mine")
        try await expectRefusal(of: client + ["--tun", "mine"], in: host, saying: "mine")
      }
    }

    @Test("An address that is taken is refused when it was asked for")
    func addressTaken() async throws {
      try await Topology.lone { host in
        try host.add("192.168.200.1/24", to: "lo")
        try await expectRefusal(
          of: client + ["--tun-local", "192.168.200.1", "--tun-peer", "192.168.200.2"], in: host,
          saying: "192.168.200.")
      }
    }

    @Test("A handshake packet that cannot be read or carried is named")
    func handshakePacket() async throws {
      try await Topology.lone { host in
        for file in ["/nonexistent/packet", "/dev/net"] {
          try await expectRefusal(of: client + ["--handshake-packet", file], in: host, saying: file)
        }
      }
    }

    /// Runs a program in a mount namespace where a tool is not to be found.
    private static func hiding(_ tool: String) -> [String] {
      let script =
        "for d in /usr/sbin /usr/bin; do [ -e $d/\(tool) ] && mount --bind /dev/null $d/\(tool); done; exec \"$@\""
      return ["unshare", "--mount", "sh", "-c", script, "sh"]
    }

    private func expectRefusal(
      of arguments: [String], in host: Namespace, wrapper: [String] = [], code: Int32 = 1,
      saying words: String..., sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
      let before = try HostState(of: host)
      let process = try host.start(wrapper + [Program.guise.get()] + arguments)
      let exit = try await process.ended(within: .seconds(10))
      #expect(exit == .code(code), sourceLocation: sourceLocation)
      if code == 1 {
        let complaints = process.log.split(separator: "\n").count { $0.hasPrefix("guise: ") }
        #expect(complaints == 1, sourceLocation: sourceLocation)
      }
      for word in words {
        #expect(process.log.contains(word), "about \(arguments)", sourceLocation: sourceLocation)
      }
      try before.expectUnchanged(on: host, sourceLocation: sourceLocation)
    }
  }
}
