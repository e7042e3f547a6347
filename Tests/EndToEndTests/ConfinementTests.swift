import Glibc
import Testing

extension EndToEnd.Operation {
  /// What a running gateway may still do, as docs/OPERATING.md lists it.
  @Suite("Confinement")
  struct Confinement {
    private static let networkAdministration = 12  // CAP_NET_ADMIN

    @Test(
      "Under traffic no thread has more than the documentation lists, and nothing stays behind",
      arguments: Variant.eachEngine())
    func listed(_ variant: Variant) async throws {
      try await Topology.pair { net in
        let before = [try HostState(of: net.client), try HostState(of: net.server)]
        let tunnel = try await Tunnel.up(on: net, variant)
        try await tunnel.echoService()
        let load = try Load.startSending(
          in: net.client, to: Tunnel.entrance, rate: "2000p", seconds: 4, ["--flows", "20", "--size", "500"])
        try await tunnel.application().echo([1], within: .seconds(2))

        let nobody = try account("nobody")
        for gateway in tunnel.ends {
          let threads = try ThreadStatus.all(of: gateway.process.pid)
          #expect(threads.count { $0.name.hasPrefix("guise-") } == variant.workers)
          for thread in threads {
            let isClientsWorker = gateway.process.pid == tunnel.client.process.pid && thread.name != "guise"
            let isObserver = thread.name.hasPrefix("NIO-")
            expect(
              thread, isClientsWorker || isObserver ? [] : [Self.networkAdministration],
              isMain: thread.name == "guise",
              nobody)
          }
        }
        try await load.ended(within: .seconds(10))
        for gateway in tunnel.ends { #expect(try await gateway.stop() == .code(0)) }
        for (host, before) in zip([net.client, net.server], before) { try before.expectUnchanged(on: host) }
      }
    }

    private func expect(
      _ thread: ThreadStatus, _ capabilities: Set<Int>, isMain: Bool, _ account: (user: Int, group: Int)
    ) {
      for set in ["CapPrm", "CapEff"] {
        #expect(thread.capabilities(set) == capabilities, "\(set) of \(thread.name)")
      }
      for set in ["CapInh", "CapAmb"] {
        #expect(thread.capabilities(set) == (isMain ? capabilities : []), "\(set) of \(thread.name)")
      }
      #expect(thread.capabilities("CapBnd") == [Self.networkAdministration], "CapBnd of \(thread.name)")
      #expect(Set(thread.users) == [account.user] && Set(thread.groups) == [account.group])
      #expect(thread.furtherGroups.isEmpty)
      #expect(thread.refusesNewPrivileges && thread.isFiltered, "\(thread.name)")
    }

    @Test("A flow's socket has large buffers all the same", arguments: Variant.eachEngine())
    func socketBuffers(_ variant: Variant) async throws {
      try await Topology.pair { net in
        let tunnel = try await Tunnel.up(on: net, variant)
        try await tunnel.echoService()
        try await tunnel.application().echo([1], within: .seconds(2))
        // rb4194304: twice what was asked for, as SO_RCVBUF in socket(7) explains.
        #expect(try net.server.run("ss", "-unam", "dport", "= :5000").contains("rb4194304"))
      }
    }

    @Test("Another user may be asked for, root among them, and filters be left out")
    func choices() async throws {
      try await Topology.pair { net in
        let before = [try HostState(of: net.client), try HostState(of: net.server)]
        let tunnel = try await Tunnel.up(
          on: net, .shared, clientOptions: ["--user", "12345:54321"],
          serverOptions: ["--user", "root", "--sandbox", "off"])
        try await tunnel.echoService()
        try await tunnel.application().echo([1], within: .seconds(2))
        for thread in try ThreadStatus.all(of: tunnel.client.process.pid) {
          #expect(Set(thread.users) == [12345] && Set(thread.groups) == [54321] && thread.isFiltered)
        }
        for thread in try ThreadStatus.all(of: tunnel.server.process.pid) {
          #expect(Set(thread.users) == [0] && !thread.isFiltered && thread.refusesNewPrivileges)
          #expect(
            thread.capabilities("CapEff")
              == (thread.name.hasPrefix("NIO-") ? [] : [Self.networkAdministration]))
        }
        for gateway in tunnel.ends { #expect(try await gateway.stop() == .code(0)) }
        for (host, before) in zip([net.client, net.server], before) { try before.expectUnchanged(on: host) }
      }
    }

    /// As a service with `User=` and `AmbientCapabilities=CAP_NET_ADMIN` is started.
    @Test("A user with the ambient capability alone runs it, and needs no more")
    func unprivileged() async throws {
      try await Topology.pair { net in
        let device = "mount -t tmpfs none /dev/net && mknod -m 666 /dev/net/tun c 10 200 && exec \"$@\""
        let user = [
          "unshare", "--mount", "sh", "-c", device, "sh", "setpriv", "--reuid", "nobody", "--regid",
          "nogroup", "--clear-groups", "--inh-caps=-all,+net_admin",
          "--ambient-caps=-all,+net_admin",
        ]
        let before = [try HostState(of: net.client), try HostState(of: net.server)]
        let server = try await Gateway.start(Tunnel.serverArguments, in: net.server, wrapper: user)
        let client = try await Gateway.start(Tunnel.clientArguments(on: net), in: net.client, wrapper: user)
        try await Load.echo(in: net.server, at: Tunnel.service)
        try await DatagramSocket.connected(to: Tunnel.entrance, in: net.client).echo([1], within: .seconds(2))
        for thread in try ThreadStatus.all(of: server.process.pid) {
          #expect(
            thread.capabilities("CapEff")
              == (thread.name.hasPrefix("NIO-") ? [] : [Self.networkAdministration]))
          #expect(thread.refusesNewPrivileges && thread.isFiltered)
        }
        for gateway in [client, server] { #expect(try await gateway.stop() == .code(0)) }
        for (host, before) in zip([net.client, net.server], before) { try before.expectUnchanged(on: host) }
      }
    }

    @Test("A user who does not exist, or whom only root could become, is refused")
    func refusedUsers() async throws {
      try await Topology.lone { host in
        let arguments = ["server", "--local", "4567", "--remote", "127.0.0.1:5000", "--user"]
        for (wrapper, user, word) in [
          ([], "nobody-of-that-name", "useradd"),
          (["setpriv", "--bounding-set=-setuid", "--inh-caps=-setuid"], "nobody", "CAP_SETUID"),
        ] {
          let gateway = try Gateway.launch(arguments + [user], in: host, wrapper: wrapper)
          #expect(try await gateway.process.ended(within: .seconds(5)) == .code(1))
          #expect(gateway.log.contains(word))
        }
      }
    }

    @Test("Root without the right to change users stays root, with few capabilities")
    func rootInABox() async throws {
      try await Topology.lone { host in
        let box = [
          "setpriv", "--bounding-set=-setuid,-setgid,-setpcap", "--inh-caps=-setuid,-setgid,-setpcap",
        ]
        let before = try HostState(of: host)
        let gateway = try await Gateway.start(Tunnel.serverArguments, in: host, wrapper: box)
        #expect(gateway.logLines(with: "stays root").count == 1)
        for thread in try ThreadStatus.all(of: gateway.process.pid) {
          #expect(
            thread.capabilities("CapEff")
              == (thread.name.hasPrefix("NIO-") ? [] : [Self.networkAdministration]))
          #expect(thread.isFiltered)
        }
        #expect(try await gateway.stop() == .code(0))
        try before.expectUnchanged(on: host)
      }
    }

    private func account(_ name: String) throws -> (user: Int, group: Int) {
      guard let entry = unsafe getpwnam(name) else { throw CommandFailure(description: "no user \(name)") }
      return unsafe (Int(entry.pointee.pw_uid), Int(entry.pointee.pw_gid))
    }
  }
}
