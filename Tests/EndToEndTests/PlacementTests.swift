import Testing

extension EndToEnd.Operation {
  /// Which CPUs the workers run on.
  @Suite("Placement")
  struct Placement {
    /// What each worker's thread may run on, in the order of the workers: `Cpus_allowed_list` of proc(5).
    private func affinities(of gateway: Gateway) throws -> [String] {
      let script = """
        for task in /proc/\(gateway.process.pid)/task/*; do
          echo "$(cat $task/comm) $(sed -n 's/^Cpus_allowed_list:\\s*//p' $task/status)"
        done
        """
      let threads = try gateway.host.run("sh", "-c", script).split(separator: "\n")
        .map { $0.split(separator: " ").map(String.init) }
        .compactMap { words in words[0].wholeMatch(of: /guise-(\d+)/).map { (Int($0.1)!, words[1]) } }
      return threads.sorted { $0.0 < $1.0 }.map(\.1)
    }

    private let server = Tunnel.serverArguments

    @Test("Workers stay on the CPUs of the list, in turn, and more workers than CPUs work")
    func list() async throws {
      try await Topology.pair { net in
        let tunnel = try await Tunnel.up(
          on: net, .shared, clientOptions: ["--cpus", "1,0"], serverOptions: ["--cpus", "0"])
        #expect(try affinities(of: tunnel.client) == ["1", "0"])
        #expect(try affinities(of: tunnel.server) == ["0", "0"])
        #expect(tunnel.client.log.contains("workers run on CPUs 1,0"))
        try await tunnel.echoService()
        for _ in 0..<8 { try await tunnel.application().echo([1], within: .seconds(2)) }
      }
    }

    @Test("The list gives the number of workers, and auto takes what the process may use")
    func count() async throws {
      try await Topology.lone { host in
        let one = try await Gateway.start(server + ["--cpus", "1"], in: host)
        #expect(try affinities(of: one) == ["1"])
        try await one.stop()
        let auto = try await Gateway.start(
          server + ["--cpus", "auto"], in: host, wrapper: ["taskset", "-c", "1"])
        #expect(try affinities(of: auto) == ["1"])
        try await auto.stop()
        let unpinned = try await Gateway.start(server, in: host, wrapper: ["taskset", "-c", "0"])
        #expect(unpinned.log.contains("workers 1,"))
      }
    }

    @Test("Sixteen workers on the CPUs there are carry flows")
    func manyWorkers() async throws {
      try await Topology.pair { net in
        let sixteen = ["--workers", "16", "--cpus", "0-1"]
        let server = try await Gateway.start(self.server + sixteen, in: net.server)
        let client = try await Gateway.start(Tunnel.clientArguments(on: net) + sixteen, in: net.client)
        let tunnel = Tunnel(net: net, client: client, server: server)
        try await tunnel.echoService()
        let report = try await Load.send(
          in: net.client, to: Tunnel.entrance, rate: "2000p", seconds: 1, "--flows", "100", "--echo")
        #expect(report.echo?.lost == 0)
        #expect(try affinities(of: client) == (0..<16).map { "\($0 % 2)" })
      }
    }

    @Test("CPUs that do not exist or may not be used are named, and nothing is changed")
    func refusals() async throws {
      try await Topology.lone { host in
        let before = try HostState(of: host)
        for (cpus, wrapper, words) in [
          ("0,1000", [], ["no CPU 1000"]), ("0-1", ["taskset", "-c", "1"], ["may not use CPU 0", "only 1"]),
        ] {
          let process = try host.start(wrapper + [Program.guise.get()] + server + ["--cpus", cpus])
          #expect(try await process.ended(within: .seconds(5)) == .code(1))
          for word in words { #expect(process.log.contains(word)) }
        }
        try before.expectUnchanged(on: host)
      }
    }
  }
}
