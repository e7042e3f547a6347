internal import DataPlane

/// A Prometheus metric: its name, what it tells, and where its values come from. All of them are explained in
/// docs/OPERATING.md, which a test compares.
package struct Metric: Sendable {
  package enum Kind: String, Sendable {
    case counter
    case gauge
    case histogram
  }

  package let name: String
  package let kind: Kind
  package let help: String
  let source: Source

  enum Source: Sendable {
    /// Of each worker.
    case counters([(label: String?, counter: Counter)])
    case drops
    case distribution(Distribution, unit: Double, from: Int)
    case worker(@Sendable (StatisticsSnapshot, _ processorSeconds: Double?) -> Double?)
    /// Of the tunnel.
    case tunnel(@Sendable (TunnelReading) -> Double?)
    case information
  }

  /// A tunnel as it is read for a scrape.
  struct TunnelReading: Sendable {
    var tunnel: TunnelDescription
    var counters: [StatisticsSnapshot]
    var processorSeconds: [Double?]
    var firewall: FirewallReport
    var isHealthy: Bool
  }

  private static func counter(_ name: String, _ counter: Counter, _ help: String) -> Metric {
    Metric(name: name, kind: .counter, help: help, source: .counters([(nil, counter)]))
  }

  private static func directions(_ name: String, in: Counter, out: Counter, _ help: String) -> Metric {
    Metric(name: name, kind: .counter, help: help, source: .counters([("in", `in`), ("out", out)]))
  }

  package static let all: [Metric] = traffic + work + flows + trouble + tunnel

  private static let traffic = [
    directions(
      "guise_datagrams_total", in: .datagramsIn, out: .datagramsOut,
      "Datagrams from (in) and to (out) the UDP side."),
    directions(
      "guise_datagram_bytes_total", in: .datagramBytesIn, out: .datagramBytesOut, "Their payload in bytes."),
    directions(
      "guise_segments_total", in: .segmentsIn, out: .segmentsOut, "TCP segments from and to the network."),
    directions(
      "guise_segment_bytes_total", in: .segmentBytesIn, out: .segmentBytesOut, "Their payload in bytes."),
    directions(
      "guise_control_segments_total", in: .controlSegmentsIn, out: .controlSegmentsOut,
      "Segments without payload."),
    counter(
      "guise_control_segments_refused_total", .controlSegmentsRefused,
      "Segments without payload that the kernel did not take."),
  ]

  private static let work = [
    counter("guise_tun_reads_total", .tunReads, "Packets and super-packets read from the TUN device."),
    counter("guise_tun_writes_total", .tunWrites, "Trains written to the TUN device."),
    counter("guise_udp_receives_total", .udpReceives, "Datagrams and trains received from the UDP side."),
    counter("guise_udp_sends_total", .udpSends, "Trains sent to the UDP side."),
    counter("guise_turns_total", .turns, "Turns of workers."),
    counter("guise_handoffs_total", .handoffs, "Packets passed to the worker that has their flow."),
    Metric(
      name: "guise_batch_size", kind: .histogram,
      help: "What a turn took in, of turns that took in anything.",
      source: .distribution(.batchSize, unit: 1, from: 0)),
    Metric(
      name: "guise_worker_cpu_seconds_total", kind: .counter, help: "CPU time of each worker.",
      source: .worker { $1 }),
    Metric(
      name: "guise_worker_poll_seconds_total", kind: .counter,
      help: "Time that each worker has looked for the next of a conversation before it slept.",
      source: .worker { sum, _ in Double(sum[.nanosecondsPolled]) / 1e9 }),
  ]

  private static let flows = [
    Metric(
      name: "guise_flows", kind: .gauge, help: "Flows that are open.",
      source: .worker { sum, _ in Double(sum.flowsOpen) }),
    counter("guise_flows_opened_total", .flowsOpened, "Handshakes that were completed."),
    counter("guise_flows_closed_total", .flowsClosed, "Flows that have ended."),
    counter("guise_flows_resumed_total", .flowsResumed, "Flows of an earlier process that went on here."),
    counter(
      "guise_flows_reopened_total", .flowsReopened,
      "Flows that another took the place of, with the same UDP side."),
    counter("guise_flows_displaced_total", .flowsDisplaced, "Flows closed to make room for others."),
    counter("guise_keepalives_total", .probes, "Segments that asked the other end for a sign of life."),
    counter("guise_cookies_sent_total", .cookiesSent, "Server: SYNs answered."),
    counter("guise_path_mtu_updates_total", .pathMTUUpdates, "ICMP errors that lowered a flow's limit."),
    Metric(
      name: "guise_handshake_rtt_seconds", kind: .histogram, help: "Client: from a SYN to its answer.",
      source: .distribution(.handshakeRoundTrip, unit: 1e-6, from: 7)),
    Metric(
      name: "guise_keepalive_rtt_seconds", kind: .histogram, help: "Client: from a keepalive to its answer.",
      source: .distribution(.probeRoundTrip, unit: 1e-6, from: 7)),
  ]

  private static let trouble = [
    Metric(
      name: "guise_drops_total", kind: .counter, help: "Packets and datagrams dropped, by reason.",
      source: .drops),
    counter("guise_resets_sent_total", .resetsSent, "Resets sent in answer to segments of no flow."),
    counter("guise_resets_withheld_total", .resetsWithheld, "Those that would have been too many."),
  ]

  private static let tunnel = [
    Metric(
      name: "guise_info", kind: .gauge, help: "1, with what the tunnel is as labels.", source: .information),
    Metric(
      name: "guise_healthy", kind: .gauge, help: "Whether every worker takes turns: 1 or 0.",
      source: .tunnel { $0.isHealthy ? 1 : 0 }),
    Metric(
      name: "guise_start_time_seconds", kind: .gauge, help: "When the tunnel started, Unix time.",
      source: .tunnel { $0.tunnel.startedAt }),
    Metric(
      name: "guise_flows_max", kind: .gauge, help: "The most flows at once.",
      source: .tunnel { Double($0.tunnel.flowsMax) }),
    Metric(
      name: "guise_mtu_bytes", kind: .gauge, help: "The largest IP packet.",
      source: .tunnel { Double($0.tunnel.mtu) }),
    Metric(
      name: "guise_firewall_installed", kind: .gauge,
      help: "Whether the tunnel's nftables table and programs at tc are there: 1 or 0.",
      source: .tunnel { reading in reading.firewall.isInstalled.map { $0 ? 1 : 0 } }),
    Metric(
      name: "guise_tc_packets_total", kind: .counter,
      help: "Packets that the tunnel's programs at tc translated; a train is one.",
      source: .tunnel { reading in reading.firewall.tcPackets.map { Double($0) } }),
    Metric(
      name: "guise_tc_strays_total", kind: .counter,
      help: "Packets dropped at tc, since they would have left by another device.",
      source: .tunnel { reading in reading.firewall.tcStrays.map { Double($0) } }),
    Metric(
      name: "guise_firewall_invalid_packets_total", kind: .counter,
      help: "Packets that connection tracking called invalid and the table dropped.",
      source: .tunnel { reading in reading.firewall.invalidPackets.map { Double($0) } }),
    Metric(
      name: "guise_firewall_restored_total", kind: .counter,
      help: "How often table or programs were put back, since somebody else had removed or changed them.",
      source: .tunnel { reading in reading.firewall.restorations.map { Double($0) } }),
  ]
}
