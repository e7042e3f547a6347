/// What `guise-load ping --json` prints.
package struct PingReport: Codable, Equatable, Sendable {
  package var sent: UInt64 = 0
  package var received: UInt64 = 0
  /// Not answered within a second.
  package var lost: UInt64 = 0
  package var lossPercent = 0.0
  /// Answers that were not what was sent, and answers that came late or twice.
  package var unexpected: UInt64 = 0
  /// Sends refused because nobody listened or no way led there; each counts as lost.
  package var refused: UInt64 = 0
  package var durationSeconds = 0.0
  package var size = 0
  /// Round trips; missing when nothing came back.
  package var latencyMicroseconds: LatencySummary?

  package init() {}
}

extension PingReport: CustomStringConvertible {
  package var description: String {
    var text = """
      \(Figures.quantity(sent, "round trip")) of \(size) bytes in \(Figures.decimal(durationSeconds, places: 2)) s, \
      lost \(Figures.grouped(lost)) (\(Figures.decimal(lossPercent, places: 2)) %)
      """
    if unexpected > 0 { text += ", unexpected answers \(Figures.grouped(unexpected))" }
    if refused > 0 {
      text += "\n\(Figures.quantity(refused, "send")) refused: nobody listens there, or no route"
    }
    if let latencyMicroseconds { text += "\nround trip \(latencyMicroseconds)" }
    return text
  }
}
