/// What `guise-load send --json` prints.
package struct SendReport: Codable, Equatable, Sendable {
  /// One flow, with `--per-flow`.
  package struct Flow: Codable, Equatable, Sendable {
    package var flow: UInt16
    /// Datagrams that the kernel took.
    package var sent: UInt64 = 0
    /// Those long enough for a sequence number, which are 0 ..< numbered.
    package var numbered: UInt64 = 0

    package init(flow: UInt16) { self.flow = flow }
  }

  /// What tells this run's datagrams from another's.
  package var run: UInt32
  package var flows: Int
  /// Datagrams that the kernel took.
  package var sent: UInt64
  /// Their payload.
  package var bytes: UInt64
  package var durationSeconds: Double
  /// Payload bits a second.
  package var bitsPerSecond: Double
  package var datagramsPerSecond: Double
  /// Sends refused because nobody listened or no way led there, and repeated.
  package var refused: UInt64
  /// Sends that had to wait for room in the kernel's queues, and were repeated.
  package var waited: UInt64
  /// With `--per-flow`.
  package var perFlow: [Flow]?
  /// With `--echo`: what came back.
  package var echo: ArrivalReport?

  package init(run: UInt32, flows: Int, sent: UInt64, bytes: UInt64, durationSeconds: Double) {
    self.run = run
    self.flows = flows
    self.sent = sent
    self.bytes = bytes
    self.durationSeconds = Figures.rounded(durationSeconds, places: 6)
    bitsPerSecond = Figures.rate(bytes * 8, over: durationSeconds)
    datagramsPerSecond = Figures.rate(sent, over: durationSeconds)
    refused = 0
    waited = 0
  }
}

extension SendReport: CustomStringConvertible {
  package var description: String {
    var text = """
      sent \(Figures.quantity(sent, "datagram")) in \(Figures.quantity(UInt64(flows), "flow")) \
      (\(Figures.byteCount(bytes))) in \(Figures.decimal(durationSeconds, places: 2)) s: \
      \(Figures.bitRate(bitsPerSecond)), \(Figures.decimal(datagramsPerSecond, places: 0)) datagrams/s
      """
    if refused > 0 {
      text += "\n\(Figures.quantity(refused, "send")) refused: nobody listens there, or no route"
    }
    if waited > 0 { text += "\n\(Figures.quantity(waited, "wait")) for room in the kernel's queues" }
    if let echo { text += "\nechoed: \(echo)" }
    return text
  }
}
