/// What `guise-load forge --json` prints.
package struct ForgeReport: Codable, Equatable, Sendable {
  /// Packets that the kernel took.
  package var sent: UInt64 = 0
  /// The same, of each kind.
  package var kinds: [ForgedKind: UInt64] = [:]
  package var durationSeconds: Double = 0
  package var packetsPerSecond: Double = 0
  /// Times that the kernel had no room, and the packets were sent again.
  package var waited: UInt64 = 0

  package init() {}

  package mutating func count(_ kind: ForgedKind) {
    sent += 1
    kinds[kind, default: 0] += 1
  }

  package mutating func end(afterSeconds seconds: Double) {
    durationSeconds = Figures.rounded(seconds, places: 6)
    packetsPerSecond = Figures.rate(sent, over: seconds)
  }
}

extension ForgeReport: CustomStringConvertible {
  package var description: String {
    var text = """
      forged \(Figures.quantity(sent, "packet")) in \(Figures.decimal(durationSeconds, places: 2)) s: \
      \(Figures.decimal(packetsPerSecond, places: 0)) packets/s
      """
    for kind in ForgedKind.allCases {
      if let count = kinds[kind] { text += "\n  \(kind.rawValue): \(Figures.grouped(count))" }
    }
    return text
  }
}
