internal import ArgumentParser
internal import LoadModel

/// `guise-load forge`: packets that nobody should believe.
struct ForgeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "forge",
    abstract: "Sends forged and malformed segments to a gateway, as a stranger would who knows a live flow.",
    discussion: """
      For your own gateways. The packets have the addresses and ports of a live flow of fake TCP, or of none, \
      and something wrong about each: resets inside and outside the window, SYNs, data beyond any window, wrong \
      checksums, lengths, options and flags, fragments, ICMP errors, other protocols and ports. Kinds are drawn \
      from the seed: the same one makes the same packets. Needs CAP_NET_RAW, and a host whose packets with \
      foreign senders get through. IPv4 only.

      Take the flow from 'tcpdump -S' on the way. With a client at 192.0.2.9 and port 40000:
        guise-load forge --to 192.0.2.1:4567 --as 192.0.2.9:40000 --sequence 5001 --acknowledgement 77001
        guise-load forge --against client --to 192.0.2.9:40000 --as 192.0.2.1:4567 \\
          --sequence 77001 --acknowledgement 5001

      JSON: sent, kinds {name: packets}, durationSeconds, packetsPerSecond, waited. docs/TESTING.md says which \
      counter of guise names each.
      """)

  @Option(help: ArgumentHelp("The live flow's end that is attacked.", valueName: "addr:port"))
  var to: SocketAddress

  @Option(
    name: .customLong("as"), help: ArgumentHelp("The other end, which is forged.", valueName: "addr:port"))
  var sender: SocketAddress

  @Option(help: ArgumentHelp("About where the forged end's sequence is.", valueName: "n"))
  var sequence: UInt32

  @Option(help: ArgumentHelp("About what it acknowledges.", valueName: "n"))
  var acknowledgement: UInt32

  @Option(help: "Which end is attacked: strangers come from other ports of its clients (server, client).")
  var against: Forgery.Target = .server

  @Option(
    help: ArgumentHelp(
      "The gateway's address behind its TUN device, if a route leads there: has it sent other protocols and ports.",
      valueName: "addr"))
  var behind: String?

  @Option(help: ArgumentHelp("How many packets.", valueName: "n"))
  var count: UInt64 = 100_000

  @Option(help: ArgumentHelp("Packets a second (20kp), or max.", valueName: "rate"))
  var rate: TrafficRate = .datagramsPerSecond(20_000)

  @Option(help: ArgumentHelp("Makes what is drawn reproducible.", valueName: "n"))
  var seed: UInt64 = 1

  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard to.ipv4 != nil, sender.ipv4 != nil else {
      throw ValidationError("forge takes IPv4 addresses only.")
    }
    guard to.port != 0, sender.port != 0 else { throw ValidationError("--to and --as need ports.") }
    guard behind == nil || behindAddress != nil else {
      throw ValidationError("--behind takes an IPv4 address, such as 192.168.201.2.")
    }
    guard count > 0 else { throw ValidationError("--count takes at least 1.") }
  }

  private var behindAddress: UInt32? { behind.flatMap { SocketAddress("\($0):0")?.ipv4 } }

  func run() throws {
    StopSignals.block()
    ThreadSleep.makePrecise()
    guard let source = IPv4Endpoint(sender), let destination = IPv4Endpoint(to) else { return }
    let forgery = Forgery(
      like: Forgery.Flow(
        source: source, destination: destination, sequence: sequence, acknowledgement: acknowledgement),
      for: against, behind: behindAddress, seed: seed)
    let plan = Forger.Plan(forgery: forgery, count: count, rate: rate)
    let state = RunState()
    let thread = try RoleThread(name: "load-forge") { () throws(LoadFailure) in
      var forger = Forger(plan, state: state)
      return try forger.run()
    }
    try output.print(try thread.watch(state, verb: "forged", quiet: output.quiet))
  }
}
