internal import Glibc

/// Prints what a packet costs a worker with 10^3 to 10^6 flows, and whether that stays flat.
///
/// `guise-scale [--json] [FLOWS…]`. Exit status 1 where a segment, a datagram, a timer or an expiry costs more
/// than three times as much with the most flows as with the fewest.
@main
enum GuiseScale {
  static let ratioMax = 3.0

  static func main() throws {
    var arguments = CommandLine.arguments.dropFirst()
    let isJSON = arguments.first == "--json"
    if isJSON { arguments = arguments.dropFirst() }
    let counts = arguments.isEmpty ? [1_000, 10_000, 100_000, 1_000_000] : arguments.compactMap { Int($0) }
    guard counts.count == arguments.count || arguments.isEmpty, counts.allSatisfy({ 1...1_000_000 ~= $0 })
    else {
      print("guise-scale: write [--json] and numbers of flows from 1 to 1000000")
      exit(2)
    }
    // One that is thrown away: the first touches code and memory that the others find warm.
    _ = try Measurement(flows: 1_000)
    var rows: [Measurement] = []
    for count in counts {
      let row = try Measurement(flows: count)
      rows.append(row)
      if !isJSON { show(row, columns: rows.count == 1) }
    }
    let ratios = zip(flatCosts(rows.first!), flatCosts(rows.last!)).map { ($0.name, $1.value / $0.value) }
    if isJSON {
      print("[\(rows.map(json).joined(separator: ",\n "))]")
    } else {
      let shown = ratios.map { "\($0.0) x\(rounded($0.1))" }.joined(separator: ", ")
      print("most flows against fewest: \(shown)")
    }
    exit(ratios.allSatisfy { $0.1 <= ratioMax } ? 0 : 1)
  }

  /// What must not depend on how many flows there are. Opening is the first touch of a flow's memory, which the
  /// kernel has to find then.
  private static func flatCosts(_ row: Measurement) -> [(name: String, value: Double)] {
    [
      ("segment", row.segmentNanoseconds), ("datagram", row.datagramNanoseconds),
      ("timer", row.timerNanoseconds), ("expiry", row.expiryNanoseconds),
    ]
  }

  private static func values(_ row: Measurement) -> [(name: String, value: Double)] {
    [
      ("open_ns", row.openNanoseconds), ("segment_ns", row.segmentNanoseconds),
      ("datagram_ns", row.datagramNanoseconds), ("timer_ns", row.timerNanoseconds),
      ("expiry_ns", row.expiryNanoseconds), ("bytes_per_flow", row.bytesPerFlow),
    ]
  }

  private static func show(_ row: Measurement, columns: Bool) {
    let cells = [("flows", "\(row.flows)")] + values(row).map { ($0.name, rounded($0.value)) }
    func line(_ texts: [String]) -> String {
      texts.map { String(repeating: " ", count: max(0, 15 - $0.count)) + $0 }.joined()
    }
    if columns { print(line(cells.map(\.0))) }
    print(line(cells.map(\.1)))
  }

  private static func json(_ row: Measurement) -> String {
    let members = ["\"flows\": \(row.flows)"] + values(row).map { "\"\($0.name)\": \(rounded($0.value))" }
    return "{\(members.joined(separator: ", "))}"
  }

  private static func rounded(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }
}
