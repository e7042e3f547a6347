internal import ArgumentParser
internal import LoadModel

/// `guise-load ping`: round-trip times.
struct PingCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ping",
    abstract: "Measures round trips to an echo, one datagram at a time.",
    discussion: """
      An answer that takes longer than a second is lost.

      Examples:
        guise-load ping --to 192.0.2.1:5000
        guise-load ping --to 192.0.2.1:5000 --size 1400 --count 1000 --interval 1000 --json

      JSON: size, sent, received, lost, lossPercent, unexpected (late, twice, or not what was sent), \
      refused, durationSeconds, latencyMicroseconds {count, min, mean, p50, p90, p99, p999, max}. \
      Exits with 1 when nothing came back.
      """)

  @Option(help: ArgumentHelp("The echo: 192.0.2.1:5000 or [2001:db8::1]:5000.", valueName: "addr:port"))
  var to: SocketAddress

  @Option(help: ArgumentHelp("Payload bytes: 1 to 65507.", valueName: "n"))
  var size = 200

  @Option(help: ArgumentHelp("How long; 5 unless --count is given.", valueName: "seconds"))
  var duration: Seconds?

  @Option(help: ArgumentHelp("How many round trips.", valueName: "n"))
  var count: UInt64?

  @Option(
    help: ArgumentHelp("From one departure to the next; 0: as soon as answered.", valueName: "microseconds"))
  var interval: UInt32 = 0

  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard (1...PayloadPattern.datagramSizeMax).contains(size) else {
      throw ValidationError("--size takes 1 to \(PayloadPattern.datagramSizeMax).")
    }
    guard count != 0 else { throw ValidationError("--count takes at least 1.") }
    guard to.port != 0 else { throw ValidationError("--to needs a port other than 0.") }
  }

  func run() throws {
    StopSignals.block()
    ThreadSleep.makePrecise()
    let socket = try DatagramSocket.connected(to: to)
    socket.setTimeouts(milliseconds: PingPong.timeoutMilliseconds)
    let state = RunState()
    let game = PingPong(
      socket: socket, size: size,
      durationNanoseconds: duration?.nanoseconds ?? (count == nil ? 5_000_000_000 : nil), count: count,
      intervalNanoseconds: UInt64(interval) * 1_000, run: .random(in: 0 ... .max), state: state)
    let thread = try RoleThread(name: "load-ping") { () throws(LoadFailure) in try game.play() }
    let report = try thread.watch(state, verb: "answered", quiet: output.quiet)
    try output.print(report)
    guard report.received > 0 else {
      throw LoadFailure("nothing came back from \(to): does an echo run there?")
    }
  }
}
