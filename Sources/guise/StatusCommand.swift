internal import ArgumentParser
internal import Telemetry

/// `guise status`.
struct StatusCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status",
    abstract: "Shows how running tunnels are: traffic, workers, drops, firewall.",
    discussion: """
      All of this host's that this user may ask, or the one of a TUN device. Rates are of the last second.

        guise status
        guise status guise0 --json

      'guise top' goes on showing them, and 'guise flows list' shows each flow.
      """)

  @OptionGroup var choice: TunnelChoice

  @Flag(help: "Print everything there is to know as JSON.")
  var json = false

  mutating func run() throws {
    let answers = try choice.ask(choice.clients()) { client throws(ControlClient.Failure) in
      try client.status()
    }
    let reports = answers.values.flatMap(\.tunnels)
    if json {
      print(String(decoding: JSON.encode(StatusReport(tunnels: reports), isPretty: true), as: UTF8.self))
    } else {
      print(reports.map { StatusText($0).text }.joined(separator: "\n"), terminator: "")
    }
    try answers.finish()
  }
}
