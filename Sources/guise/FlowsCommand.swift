internal import ArgumentParser
internal import Control
internal import Glibc
internal import Telemetry

/// `guise flows`.
struct FlowsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "flows",
    abstract: "Lists the flows of running tunnels, and closes them.",
    subcommands: [List.self, Close.self])

  struct List: SelectingCommand {
    static let configuration = CommandConfiguration(
      commandName: "list",
      abstract: "Lists flows: those of all tunnels, or those that fit everything that is given.",
      discussion: """
        Who has not sent anything for a minute, those silent longest first; and the ten fastest:

          guise flows list --silent 60 --sort silent
          guise flows list --sort rate --limit 10

        REMOTE is the other end of the TCP flow, PORT its end here, UDP SIDE the program (client) or the port that the \
        service sees (server), MAX the largest datagram in bytes. --sort rate looks twice, a second apart, and shows rates.
        """)

    @OptionGroup var choice: TunnelChoice
    @OptionGroup var selection: FlowSelectionOptions

    @Option(help: "What comes first.")
    var sort = FlowOrder.port

    @Option(help: ArgumentHelp("Print no more than so many.", valueName: "count"))
    var limit: Int?

    @Flag(help: "Print one JSON object.")
    var json = false

    mutating func validate() throws {
      if let limit, limit < 1 { throw ValidationError("--limit \(limit) is out of bounds: use 1 or more") }
    }

    mutating func run() throws {
      let clients = try choice.clients()
      var answers = try look(clients)
      var flows = answers.values.flatMap { $0 }
      if sort == .rate {
        let (before, start) = (flows, ContinuousClock.now)
        sleep(1)
        answers = try look(clients)
        flows = answers.values.flatMap { $0 }
        flows.compare(with: before, seconds: (ContinuousClock.now - start) / .seconds(1))
      }
      let sorted = sort.sort(flows)
      let shown = Array(sorted.prefix(limit ?? .max))
      if json {
        print(String(decoding: JSON.encode(FlowListReport(flows: shown), isPretty: true), as: UTF8.self))
      } else if shown.isEmpty {
        print("no flows")
      } else {
        let table = FlowText(shown).table
        print(([table.title] + table.rows).joined(separator: "\n"))
        if shown.count < sorted.count { print("and \(sorted.count - shown.count) more") }
      }
      try answers.finish()
    }

    private func look(_ clients: [ControlClient]) throws -> TunnelAnswers<[FlowReport]> {
      let answers = try choice.ask(clients) { client throws(ControlClient.Failure) in
        try client.flows(selection.query)
      }
      for flows in answers.values where flows.count == FlowQuery.limitMax {
        StandardErrorLog.write("guise: a tunnel has more flows than the \(flows.count) that are looked at\n")
      }
      return answers
    }
  }

  struct Close: SelectingCommand {
    static let configuration = CommandConfiguration(
      commandName: "close",
      abstract: "Closes flows with a reset: those that fit everything that is given.",
      discussion: """
        At a server, all flows of one client; at a client, the flow of one program:

          guise flows close --remote 198.51.100.7
          guise flows close guise0 --peer 127.0.0.1:51820

        The next datagram of a client's program opens another. Only root and the user who started guise may do it. The \
        exit status is 4 when there was no such flow.
        """)

    @OptionGroup var choice: TunnelChoice
    @OptionGroup var selection: FlowSelectionOptions

    @Flag(help: "Close every flow of the tunnels that are meant.")
    var all = false

    mutating func validate() throws {
      if selection.isEmpty, !all {
        throw ValidationError(
          "which flows? Say it with --port, --remote, --peer or --silent, or --all for every flow")
      }
      if !selection.isEmpty, all {
        throw ValidationError("--all means every flow: leave it out, or what selects some")
      }
    }

    mutating func run() throws {
      try act(on: choice.clients(), "closed") { client, query throws(ControlClient.Failure) in
        try client.closeFlows(query)
      }
    }
  }
}
