internal import ArgumentParser
internal import Telemetry

/// A command about flows that its options select.
protocol SelectingCommand: ParsableCommand {
  var choice: TunnelChoice { get }
  var selection: FlowSelectionOptions { get }
}

extension SelectingCommand {
  /// Has each process do something to the flows that are meant, and prints how many there were.
  ///
  /// Where one cannot, the others do it all the same. Exit status 4 when there was no such flow.
  func act(
    on clients: [ControlClient], _ verb: String,
    _ body: (ControlClient, FlowQuery) throws(ControlClient.Failure) -> Int
  ) throws {
    var query = selection.query
    query.all = selection.isEmpty ? true : nil
    let answers = try choice.ask(clients) { client throws(ControlClient.Failure) in try body(client, query) }
    let count = answers.values.reduce(0, &+)
    if count > 0 { print("\(verb) \(Figures.count(count, "flow"))") }
    try answers.finish()
    guard count > 0 else { throw CommandRefusal(description: "no such flow", exitStatus: 4) }
  }
}
