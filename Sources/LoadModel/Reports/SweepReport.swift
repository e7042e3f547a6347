/// What `guise-load sweep --json` prints.
package struct SweepReport: Codable, Equatable, Sendable {
  package var clients = 0
  package var sent: UInt64 = 0
  /// Came back byte for byte.
  package var intact: UInt64 = 0
  /// Did not come back in time.
  package var missing: UInt64 = 0
  /// Came back with the right length and other bytes.
  package var corrupt: UInt64 = 0
  /// Came twice, or late, or with a length that nobody waited for.
  package var unexpected: UInt64 = 0
  /// Sends refused; each counts as missing.
  package var refused: UInt64 = 0
  /// Sizes of which at least one is missing, ascending.
  package var missingSizes: [Int] = []
  /// Sizes of which at least one came back damaged, ascending.
  package var corruptSizes: [Int] = []
  package var durationSeconds = 0.0

  package init() {}

  /// Whether everything came back as it was sent.
  package var isClean: Bool { missing == 0 && corrupt == 0 && intact == sent }
}

extension SweepReport: CustomStringConvertible {
  package var description: String {
    var text = """
      \(Figures.grouped(intact)) of \(Figures.grouped(sent)) datagrams of \
      \(Figures.quantity(UInt64(clients), "client")) came back intact in \(Figures.decimal(durationSeconds, places: 2)) s
      """
    if missing > 0 { text += "\n\(Figures.grouped(missing)) missing, sizes \(Self.ranges(missingSizes))" }
    if corrupt > 0 { text += "\n\(Figures.grouped(corrupt)) corrupt, sizes \(Self.ranges(corruptSizes))" }
    if unexpected > 0 { text += "\n\(Figures.grouped(unexpected)) came late, twice or with a wrong length" }
    if refused > 0 {
      text += "\n\(Figures.quantity(refused, "send")) refused: nobody listens there, or no route"
    }
    return text
  }

  /// Ascending numbers as `1-3, 7, 9-12`.
  package static func ranges(_ numbers: [Int]) -> String {
    var runs: [(first: Int, last: Int)] = []
    for number in numbers {
      if let last = runs.last, last.last + 1 == number {
        runs[runs.count - 1].last = number
      } else {
        runs.append((number, number))
      }
    }
    return runs.map { $0.first == $0.last ? "\($0.first)" : "\($0.first)-\($0.last)" }.joined(separator: ", ")
  }
}
