internal import ArgumentParser
internal import LoadModel

/// `guise-load echo`: sends every datagram back.
struct EchoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "echo",
    abstract: "Sends every datagram back to where it came from, from the address it came to.",
    discussion: """
      Runs until SIGINT or SIGTERM.

      Examples:
        guise-load echo --listen 0.0.0.0:5000
        guise-load echo --listen '[::]:5000' --gro

      JSON: received, receivedBytes, sent, dropped (could not be sent back), socketDrops (this program did \
      not keep up).
      """)

  @Option(
    help: ArgumentHelp(
      "Where to receive: 0.0.0.0:5000, or [::]:5000 for IPv4 and IPv6.", valueName: "addr:port"))
  var listen: SocketAddress

  @Flag(help: "Take and send several datagrams in one message (UDP_GRO, UDP_SEGMENT).")
  var gro = false

  @OptionGroup var output: OutputOptions

  func run() throws {
    StopSignals.block()
    let socket = try DatagramSocket.bound(to: listen)
    socket.setTimeouts(milliseconds: TrafficSink.patienceMilliseconds)
    try socket.enableLocalAddress()
    if gro { try socket.enableReceiveOffload() }
    let state = RunState()
    let echo = try RoleThread(name: "load-echo") { () throws(LoadFailure) in
      try EchoService(socket: socket, state: state).run()
    }
    try output.print(try echo.watch(state, verb: "echoed", quiet: output.quiet))
  }
}
