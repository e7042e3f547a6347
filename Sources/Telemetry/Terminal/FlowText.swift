/// Flows as a table for people.
package struct FlowText {
  package let table: TextTable

  /// `columnsMax`: what the terminal has, nil where there is no end. Columns that are empty are left out.
  package init(_ flows: [FlowReport], columnsMax: Int? = nil) {
    typealias Column = (TextTable.Column, (FlowReport) -> String)
    var columns: [Column] = [
      (.init("PORT", isNumber: true), { "\($0.localPort)" }),
      (.init("REMOTE"), \.remote),
      (.init("UDP SIDE", rank: 1), { $0.peer ?? "-" }),
      (.init("STATE", rank: 2), \.state),
    ]
    if Set(flows.map(\.tunnel)).count > 1 { columns.insert((.init("TUNNEL", rank: 3), \.tunnel), at: 0) }
    if flows.contains(where: { $0.sentPerSecond != nil }) {
      columns += [
        (.init("SENT", isNumber: true, rank: 4), { Self.rate($0.sentPerSecond) }),
        (.init("RECEIVED", isNumber: true, rank: 4), { Self.rate($0.receivedPerSecond) }),
      ]
    }
    columns += [
      (.init("AGE", isNumber: true, rank: 5), { Figures.duration($0.ageSeconds) }),
      (.init("SILENT", isNumber: true, rank: 6), { Figures.duration($0.silentSeconds) }),
    ]
    // Servers measure no round trips.
    if flows.contains(where: { $0.handshakeMilliseconds != nil || $0.keepaliveMilliseconds != nil }) {
      columns += [
        (.init("HANDSHAKE", isNumber: true, rank: 7), { Self.milliseconds($0.handshakeMilliseconds) }),
        (.init("KEEPALIVE", isNumber: true, rank: 8), { Self.milliseconds($0.keepaliveMilliseconds) }),
      ]
    }
    if flows.contains(where: { $0.waiting > 0 }) {
      columns.append((.init("WAITING", isNumber: true, rank: 9), { "\($0.waiting)" }))
    }
    columns += [
      (.init("MAX", isNumber: true, rank: 10), { "\($0.datagramBytesMax)" }),
      (.init("WORKER", isNumber: true, rank: 11), { "\($0.worker)" }),
    ]
    table = TextTable(
      columns.map(\.0), flows.map { flow in columns.map { $0.1(flow) } }, columnsMax: columnsMax)
  }

  private static func rate(_ bytes: Double?) -> String { bytes.map(Figures.bits) ?? "-" }
  private static func milliseconds(_ value: Double?) -> String {
    value.map { "\(Figures.plain($0)) ms" } ?? "-"
  }
}
