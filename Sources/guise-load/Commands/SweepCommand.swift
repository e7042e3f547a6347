internal import ArgumentParser
internal import LoadModel

/// `guise-load sweep`: does every size survive the path?
struct SweepCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sweep",
    abstract: "Sends a datagram of every size to an echo and compares what comes back, byte for byte.",
    discussion: """
      Nothing is repeated: what does not come back in time is missing. Each client's first datagram \
      travels alone, so that the path can set itself up.

      Examples:
        guise-load sweep --to 192.0.2.1:5000
        guise-load sweep --to 192.0.2.1:5000 --sizes 1200-1500 --rounds 10 --clients 8 --json

      JSON: clients, sent, intact, missing, corrupt, unexpected (late, twice, or of a length nobody waited \
      for), refused, missingSizes, corruptSizes, durationSeconds. Exits with 1 unless everything came back \
      intact.
      """)

  @Option(help: ArgumentHelp("The echo: 192.0.2.1:5000 or [2001:db8::1]:5000.", valueName: "addr:port"))
  var to: SocketAddress

  @Option(help: ArgumentHelp("Payload bytes, from the smallest to the largest.", valueName: "n-m"))
  var sizes: SizeRange = .everySize

  @Option(help: ArgumentHelp("How often each size is sent.", valueName: "n"))
  var rounds = 1

  @Option(help: ArgumentHelp("Clients, each with a socket of its own: 1 to 65535.", valueName: "n"))
  var clients = 1

  @Option(help: ArgumentHelp("Datagrams that a client has under way at once: 1 to 1024.", valueName: "n"))
  var window = 16

  @Option(help: ArgumentHelp("How long an answer may take.", valueName: "milliseconds"))
  var timeoutMs: UInt32 = 1_000

  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard rounds >= 1 else { throw ValidationError("--rounds takes at least 1.") }
    guard (1...65_535).contains(clients) else { throw ValidationError("--clients takes 1 to 65535.") }
    guard (1...1_024).contains(window) else { throw ValidationError("--window takes 1 to 1024.") }
    guard timeoutMs > 0 else { throw ValidationError("--timeout-ms takes at least 1.") }
    guard to.port != 0 else { throw ValidationError("--to needs a port other than 0.") }
  }

  func run() throws {
    StopSignals.block()
    DatagramSocket.raiseDescriptorLimit()
    let sockets = try (0..<clients).map { _ in try DatagramSocket.connected(to: to, queueBytes: 1 << 20) }
    let state = RunState()
    let sweep = SizeSweep(
      sockets: sockets, sizes: sizes, rounds: rounds, window: window,
      timeoutNanoseconds: UInt64(timeoutMs) * 1_000_000, run: .random(in: 0 ... .max), state: state)
    let thread = try RoleThread(name: "load-sweep") { () throws(LoadFailure) in try sweep.sweep() }
    let report = try thread.watch(state, verb: "intact", quiet: output.quiet)
    try output.print(report)
    guard report.isClean, report.sent > 0 else {
      throw LoadFailure("not every datagram came back intact from \(to)")
    }
  }
}
