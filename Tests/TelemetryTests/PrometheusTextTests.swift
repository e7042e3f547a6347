import Testing

@testable import DataPlane
@testable import Telemetry

/// The metrics agree with the counters that they come from.
@Suite struct PrometheusTextTests {
  private let tunnel = TunnelDescription(
    name: "guise0", role: .client, engine: .epoll, listen: "127.0.0.1:5000", remotes: ["a\"b\\c:1"],
    mtu: 1_500,
    cpus: [], flowsMax: 100, process: 7, startedAt: 1_000.5)

  private func text(_ workers: [Statistics]) -> [String] {
    PrometheusText([
      Metric.TunnelReading(
        tunnel: tunnel, counters: workers.map { $0.snapshot() }, processorSeconds: workers.map { _ in 1.5 },
        firewall: FirewallReport(
          table: "guise_guise0", isInstalled: false, tcPackets: 5, tcStrays: 12, invalidPackets: 3,
          restorations: 1),
        isHealthy: true)
    ]).text.split(separator: "\n").map(String.init)
  }

  @Test func `every counter and every drop reason is there, of each worker, with its value`() {
    let workers = [Statistics(), Statistics()]
    defer { for worker in workers { worker.deallocate() } }
    for (index, worker) in workers.enumerated() {
      for counter in Counter.allCases { worker.add(counter, 1_000 * (index + 1) + counter.rawValue) }
      for reason in DropReason.allCases { worker.drop(reason, 2_000 * (index + 1) + reason.rawValue) }
    }
    let lines = text(workers)
    let values = lines.filter { $0.contains("_total{") }.compactMap { $0.split(separator: " ").last }.map(
      String.init)
    for index in 1...2 {
      // One of them is told in seconds, as below.
      for counter in Counter.allCases where counter != .nanosecondsPolled {
        #expect(values.contains("\(1_000 * index + counter.rawValue)"))
      }
      for reason in DropReason.allCases {
        let line =
          "guise_drops_total{tunnel=\"guise0\",worker=\"\(index - 1)\",reason=\"\(reason.name)\"} "
          + "\(2_000 * index + reason.rawValue)"
        #expect(lines.contains(line))
      }
    }
    #expect(lines.contains("guise_segments_total{tunnel=\"guise0\",worker=\"1\",direction=\"out\"} 2006"))
    #expect(lines.contains("guise_firewall_installed{tunnel=\"guise0\"} 0"))
    for (name, value) in [
      ("tc_packets", 5), ("tc_strays", 12), ("firewall_invalid_packets", 3), ("firewall_restored", 1),
    ] {
      #expect(lines.contains { $0 == "guise_\(name)_total{tunnel=\"guise0\"} \(value)" })
    }
    #expect(lines.contains { $0.contains("remote=\"a\\\"b\\\\c:1\"") })
  }

  @Test func `a histogram's buckets add up, and its sum is that of the values`() {
    let worker = Statistics()
    defer { worker.deallocate() }
    for value: UInt64 in [1, 2, 3, 64, 65, 1 << 30] { worker.record(.batchSize, value) }
    let lines = text([worker])
    func bucket(_ bound: String) -> String? {
      lines.first { $0.hasPrefix("guise_batch_size_bucket") && $0.contains("le=\"\(bound)\"") }?
        .split(separator: " ").last.map(String.init)
    }
    #expect(bucket("1") == "1" && bucket("2") == "2" && bucket("4") == "3" && bucket("64") == "4")
    #expect(bucket("128") == "5" && bucket("+Inf") == "6")
    #expect(lines.contains("guise_batch_size_sum{tunnel=\"guise0\",worker=\"0\"} \(135 + (1 << 30))"))
    #expect(lines.contains("guise_batch_size_count{tunnel=\"guise0\",worker=\"0\"} 6"))
  }

  @Test func `rates are differences of counters over time`() {
    let worker = Statistics()
    defer { worker.deallocate() }
    let before = worker.snapshot()
    worker.add(.datagramsIn, 300)
    worker.add(.segmentsOut, 300)
    worker.add(.tunWrites, 20)
    worker.drop(.badChecksum, 4)
    let rates = Rates(from: before, to: worker.snapshot(), processorSeconds: 0.5, seconds: 2)
    #expect(rates.datagramsIn == 150 && rates.drops == 2 && rates.load == 0.25)
    #expect(rates.polling == 0)
    #expect(rates.trainIn == 15 && rates.trainOut == nil && rates.roundTrip == nil)
  }

  @Test func `load is what is left of a worker's CPU time without polling`() {
    let worker = Statistics()
    defer { worker.deallocate() }
    let before = worker.snapshot()
    worker.add(.nanosecondsPolled, 1_500_000_000)
    let after = worker.snapshot()
    let rates = Rates(from: before, to: after, processorSeconds: 1.8, seconds: 2)
    #expect(abs(rates.load - 0.15) < 1e-9 && rates.polling == 0.75)
    #expect(StatusText.load(rates) == "15 % and 75 % polling")
    // Others had the CPU for some of that time.
    #expect(Rates(from: before, to: after, processorSeconds: 1, seconds: 2).load == 0)
    #expect(text([worker]).contains("guise_worker_poll_seconds_total{tunnel=\"guise0\",worker=\"0\"} 1.5"))
  }

  @Test func `reports survive the way over the socket`() throws {
    var query = FlowQuery()
    query.localPort = 4_000
    query.remote = "192.0.2.1"
    query.silentSeconds = 1.5
    let back = try #require(JSON.decode(FlowQuery.self, JSON.encode(query)))
    #expect(back == query)
    #expect(back.selection?.silentNanoseconds == 1_500_000_000)
    #expect(JSON.decode(TunnelDescription.self, JSON.encode(tunnel)) == tunnel)
    query.peer = "nowhere"
    #expect(query.selection == nil)
  }
}
