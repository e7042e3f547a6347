internal import ArgumentParser
internal import Glibc
internal import LoadModel

/// `guise-load sink`: receives, verifies, counts.
struct SinkCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sink",
    abstract: "Receives what send sends, verifies it and counts loss, duplicates and reordering.",
    discussion: """
      Runs until SIGINT, SIGTERM, --duration or --idle-exit. A sink alone cannot know what was lost after \
      the last datagram that came: save what send --json prints and name it with --expect-json.

      Examples:
        guise-load sink --listen 0.0.0.0:5000
        guise-load sink --listen '[::]:5000' --gro --idle-exit 2 --json
        guise-load sink --listen 0.0.0.0:5000 --expect-json sent.json   (then SIGTERM when send has ended)

      JSON: received, bytes, flows, lost, lossPercent, duplicated, reordered, stale (too late to tell new \
      from duplicate), corrupt, anonymous (too short for a sequence number: under 24 bytes), socketDrops \
      (this program did not keep up), durationSeconds (first arrival to last), bitsPerSecond, \
      datagramsPerSecond, longestSilenceSeconds (of any flow, from one arrival to the next or to the end); \
      with --expect-json sent; with --latency latencyMicroseconds {count, min, mean, \
      p50, p90, p99, p999, max}; with --per-flow perFlow [{run, flow, received, bytes, lost, duplicated, \
      reordered, stale, highestSequence, longestSilenceSeconds, silentSinceSeconds}]. Exits with 1 when a datagram was corrupt.
      """)

  @Option(
    help: ArgumentHelp(
      "Where to receive: 0.0.0.0:5000, or [::]:5000 for IPv4 and IPv6.", valueName: "addr:port"))
  var listen: SocketAddress

  @Flag(help: "Take several datagrams in one message (UDP_GRO).")
  var gro = false

  @Option(help: ArgumentHelp("Stop after this time.", valueName: "seconds"))
  var duration: Seconds?

  @Option(help: ArgumentHelp("Stop this time after the last datagram.", valueName: "seconds"))
  var idleExit: Seconds?

  @Option(
    help:
      "How much of each datagram is compared: full, head (no body), none (bytes are counted, loss is unknown)."
  )
  var verify: Verification = .full

  @Flag(help: "Time from sender to receiver; both must run on the same host.")
  var latency = false

  @Option(
    help: ArgumentHelp(
      "What send --json printed; read at the end, tells all that was lost.", valueName: "file"))
  var expectJson: String?

  @Flag(help: "List every flow in the JSON.")
  var perFlow = false

  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard !latency || verify != .none else { throw ValidationError("--latency needs --verify full or head.") }
  }

  func run() throws {
    StopSignals.block()
    let socket = try DatagramSocket.bound(to: listen)
    socket.setTimeouts(milliseconds: TrafficSink.patienceMilliseconds)
    if gro { try socket.enableReceiveOffload() }
    let plan = TrafficSink.Plan(
      verification: verify, timesLatency: latency, perFlow: perFlow,
      durationNanoseconds: duration?.nanoseconds, idleNanoseconds: idleExit?.nanoseconds)
    let state = RunState()
    let expectationPath = expectJson
    let sink = try RoleThread(name: "load-sink") { () throws(LoadFailure) in
      try TrafficSink(plan: plan, socket: socket, state: state).run { () throws(LoadFailure) in
        guard let expectationPath else { return nil }
        return try Self.readExpectation(expectationPath)
      }
    }
    let outcome = try sink.watch(state, verb: "received", quiet: output.quiet)
    let report = outcome.report
    try output.print(report)
    if let failure = outcome.failure { throw failure }
    guard report.corrupt == 0 else { throw LoadFailure("\(report.corrupt) datagrams arrived damaged") }
  }

  private static func readExpectation(_ path: String) throws(LoadFailure) -> SendReport {
    let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw LoadFailure("open(\(path))", errno: errno) }
    defer { close(file) }
    var text: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = unsafe read(file, &chunk, chunk.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw LoadFailure("read(\(path))", errno: errno) }
      if count == 0 { break }
      text += chunk[..<count]
    }
    do {
      return try JSONText.decode(SendReport.self, from: text)
    } catch {
      throw LoadFailure("\(path) is not what send --json prints; has the sender ended?")
    }
  }
}
