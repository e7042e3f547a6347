internal import ArgumentParser
internal import LoadModel

/// `guise-load send`: flows of numbered datagrams at a rate.
struct SendCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "send",
    abstract: "Sends numbered datagrams, as fast as possible or at a rate.",
    discussion: """
      Each flow has a socket, and so a source port, of its own. Flows take turns, a burst at a time. A send \
      that the kernel refuses because nobody listens or its queues are full is counted and repeated.

      Examples:
        guise-load send --to 192.0.2.1:5000 --rate max
        guise-load send --to 192.0.2.1:5000 --flows 5 --rate 400M --size 64-1400
        guise-load send --to 192.0.2.1:5000 --rate max --gso 40
        guise-load send --to 192.0.2.1:5000 --rate 400M --burst 32 --bunched
        guise-load send --to '[2001:db8::1]:5000' --rate 20kp --echo --json

      JSON: run, flows, sent, bytes, durationSeconds, bitsPerSecond, datagramsPerSecond, refused, waited; \
      with --per-flow perFlow [{flow, sent, numbered}], where datagrams of 24 bytes and more have the \
      numbers 0 to numbered - 1; with --echo the object echo, whose keys are those of sink, where \
      latencyMicroseconds is the round trip. Rates count payload. Exits with 1 when nothing could be sent, and with --echo also when nothing came back or something \
      came back damaged.
      """)

  @Option(help: ArgumentHelp("Where to send: 192.0.2.1:5000 or [2001:db8::1]:5000.", valueName: "addr:port"))
  var to: SocketAddress

  @Option(help: ArgumentHelp("Flows: 1 to 65535.", valueName: "n"))
  var flows = 1

  @Option(
    help: ArgumentHelp("Payload bytes: one size, or a range to draw from at random.", valueName: "n|n-m"))
  var size: SizeRange = .typical

  @Option(
    help: ArgumentHelp(
      "All flows together: payload bits a second (400M, 1.2G), datagrams a second (20000p, 20kp), or max.",
      valueName: "rate"))
  var rate: TrafficRate = .unlimited

  @Option(help: ArgumentHelp("How long; 5 unless --count is given.", valueName: "seconds"))
  var duration: Seconds?

  @Option(help: ArgumentHelp("How many datagrams, all flows together.", valueName: "n"))
  var count: UInt64?

  @Option(
    help: ArgumentHelp(
      "Datagrams in one message that the kernel cuts (UDP_SEGMENT): 1 to 64. They are of one size.",
      valueName: "segments"))
  var gso = 1

  @Option(
    help: ArgumentHelp(
      "Messages that a flow sends in its turn: 1 to 1024; 16 at rate max, otherwise 4 at most, as they fall due.",
      valueName: "n"))
  var burst: Int?

  @Flag(
    help: "At a rate: whole bursts leave at once, as QUIC stacks and WireGuard send, and not evenly spaced.")
  var bunched = false

  @Option(
    help: ArgumentHelp(
      "Small datagrams, 0.1 s apart, that each flow sends before it is measured, to have handshakes done: 0 to 100.",
      valueName: "n"))
  var opening = 0

  @Option(help: ArgumentHelp("Makes the sizes drawn from a range reproducible.", valueName: "n"))
  var seed: UInt64?

  @Flag(help: "Receive on the same sockets what an echo sends back, verify and count it.")
  var echo = false

  @Flag(help: "With --echo: take several datagrams in one message (UDP_GRO).")
  var gro = false

  @Option(help: "With --echo: how much of each datagram is compared (full, head, none).")
  var verify: Verification = .full

  @Flag(help: "List every flow in the JSON.")
  var perFlow = false

  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard (1...65_535).contains(flows) else { throw ValidationError("--flows takes 1 to 65535.") }
    guard (1...SendBatch.segmentCountMax).contains(gso) else {
      throw ValidationError("--gso takes 1 to \(SendBatch.segmentCountMax).")
    }
    guard gso == 1 || size.lower > 0 else { throw ValidationError("--gso needs a --size of at least 1.") }
    guard burst.map({ (1...1_024).contains($0) }) ?? true else {
      throw ValidationError("--burst takes 1 to 1024.")
    }
    guard (0...100).contains(opening) else { throw ValidationError("--opening takes 0 to 100.") }
    guard !bunched || rate != .unlimited else { throw ValidationError("--bunched goes with a --rate.") }
    guard count != 0 else { throw ValidationError("--count takes at least 1.") }
    guard to.port != 0 else { throw ValidationError("--to needs a port other than 0.") }
    guard echo || !gro else { throw ValidationError("--gro goes with --echo.") }
  }

  func run() throws {
    StopSignals.block()
    ThreadSleep.makePrecise()
    DatagramSocket.raiseDescriptorLimit()
    let plan = TrafficSource.Plan(
      run: .random(in: 0 ... .max), sizes: size, rate: rate,
      durationNanoseconds: duration?.nanoseconds ?? (count == nil ? 5_000_000_000 : nil), count: count,
      segments: gso, burst: burst ?? usualBurst, isBunched: bunched, openingCount: opening,
      seed: seed ?? .random(in: 0 ... .max))
    let sockets = try makeSockets()

    let collectorState = RunState()
    let (echoes, verification, listed) = (echo, verify, perFlow)
    let collector =
      echoes
      ? try RoleThread(name: "load-collect") { () throws(LoadFailure) in
        try EchoCollector(
          sockets: sockets, verification: verification, perFlow: listed, state: collectorState
        ).run()
      } : nil
    let state = RunState()
    let source = try RoleThread(name: "load-send") { () throws(LoadFailure) in
      var source = TrafficSource(plan, sockets: sockets, state: state)
      return try source.run()
    }
    let outcome = Result { try source.watch(state, verb: "sent", quiet: output.quiet) }
    if let sent = try? outcome.get().sent { collectorState.show(datagrams: sent, bytes: 0) }
    collectorState.stop()
    let echoed = try collector?.join()
    try finish(try outcome.get(), echoed)
  }

  /// Smooth when paced; and when few datagrams are to be sent, every flow has its share.
  private var usualBurst: Int {
    let share = count.map { Int(clamping: max(1, $0 / UInt64(flows * gso))) } ?? .max
    return min(rate == .unlimited ? 16 : 4, share)
  }

  private func makeSockets() throws -> [DatagramSocket] {
    // Deep queues for one flow; many share the same memory.
    let queueBytes = Int32(max(256 << 10, (32 << 20) / flows))
    return try (0..<flows).map { _ in
      let socket = try DatagramSocket.connected(to: to, queueBytes: queueBytes)
      socket.setTimeouts(milliseconds: TrafficSink.patienceMilliseconds)
      if gro { try socket.enableReceiveOffload() }
      return socket
    }
  }

  private func finish(_ sent: SendReport, _ echoed: (report: ArrivalReport, refused: UInt64)?) throws {
    var report = sent
    if !perFlow { report.perFlow = nil }
    if var echoed {
      report.refused += echoed.refused
      echoed.report.expect(sent: sent.sent)
      report.echo = echoed.report
    }
    try output.print(report)
    guard report.sent > 0 else {
      throw LoadFailure("nothing could be sent to \(to): is there a route, and does it listen?")
    }
    guard let echo = report.echo else { return }
    guard echo.received > 0 else {
      throw LoadFailure("nothing came back from \(to): does an echo run there?")
    }
    guard echo.corrupt == 0 else { throw LoadFailure("\(echo.corrupt) datagrams came back damaged") }
  }
}
