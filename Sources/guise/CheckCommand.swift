internal import ArgumentParser
internal import Control

/// `guise check`.
struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Looks whether this host can run guise, and tells what mends what is in the way.",
    discussion: """
      Changes nothing. Without options it looks at what both ends need. What is known of the gateway makes it look \
      closer, and --peer asks a server for handshakes: guise or Phantun, whose service notices nothing.

        guise check --local 127.0.0.1:51821 --peer server.example.org:4567
        guise check --serve 4567

      Each line is fine, warn (works, but worse than it could) or fail. The exit status is 1 when something fails.
      """)

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("The UDP end that a client would have: is it free?", valueName: "address:port"),
    transform: HostPort.init)
  var local: HostPort?

  @Option(
    help: ArgumentHelp(
      "The server that a client would go to: does it answer, how fast, how reliably?", valueName: "host:port"),
    transform: HostPort.init)
  var peer: HostPort?

  @Option(
    help: ArgumentHelp("The TCP port that a server would take: is it free?", valueName: "[address:]port"),
    transform: ListenPort.init)
  var serve: ListenPort?

  @Option(
    help: ArgumentHelp(
      "The mark that a client's packets would have: where does routing send those for the peer?",
      valueName: "number"),
    transform: GatewayOptions.mark)
  var fwmark: UInt32?

  @Option(help: ArgumentHelp("How many handshakes the peer is asked for.", valueName: "count"))
  var attempts = 5

  @Flag(help: "Print one JSON object in place of lines.")
  var json = false

  @Flag(help: "End with status 1 for warnings, too.")
  var strict = false

  mutating func validate() throws {
    let range = CheckPlan.attemptsRange
    guard range.contains(attempts) else {
      throw ValidationError(
        "--attempts \(attempts) is out of bounds: use \(range.lowerBound) to \(range.upperBound)")
    }
    if fwmark != nil, peer == nil {
      throw ValidationError("--fwmark is about the way to a peer: name it with '--peer'")
    }
  }

  mutating func run() throws {
    var plan = CheckPlan(local: local, peer: peer, service: serve)
    plan.attempts = attempts
    plan.mark = fwmark
    let checkup = Checkup.run(plan) { if !json { print(Checkup.line($0), terminator: "") } }
    print(json ? checkup.json : checkup.summary, terminator: "")
    if !checkup.isPassed(isStrict: strict) { throw ExitCode(1) }
  }
}
