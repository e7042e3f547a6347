/// Numbers as people read them.
package enum Figures {
  /// `value` with a fixed number of decimal places, and a space between groups of three digits.
  package static func decimal(_ value: Double, places: Int) -> String {
    guard value.isFinite else { return "-" }
    var scale = 1.0
    for _ in 0..<places { scale *= 10 }
    let scaled = (abs(value) * scale).rounded()
    guard scaled < 9e15 else { return "\(value)" }
    let whole = UInt64(scaled)
    let unit = UInt64(scale)
    let sign = value < 0 && whole > 0 ? "-" : ""
    guard places > 0 else { return sign + grouped(whole) }
    let fraction = String(whole % unit)
    return sign + grouped(whole / unit) + "." + String(repeating: "0", count: places - fraction.count)
      + fraction
  }

  /// `1234567` as `1 234 567`.
  package static func grouped(_ value: UInt64) -> String {
    var digits = Array(String(value))
    var place = digits.count - 3
    while place > 0 {
      digits.insert(" ", at: place)
      place -= 3
    }
    return String(digits)
  }

  /// `1 flow`, `1 234 flows`.
  package static func quantity(_ count: UInt64, _ noun: String) -> String {
    "\(grouped(count)) \(noun)\(count == 1 ? "" : "s")"
  }

  /// Bits a second with a decimal prefix: `2.76 Gbit/s`.
  package static func bitRate(_ value: Double) -> String { prefixed(value, unit: "bit/s") }

  /// Bytes with a decimal prefix: `1.73 GB`.
  package static func byteCount(_ value: UInt64) -> String { prefixed(Double(value), unit: "B") }

  private static func prefixed(_ value: Double, unit: String) -> String {
    if value >= 1e9 { return "\(decimal(value / 1e9, places: 2)) G\(unit)" }
    if value >= 1e6 { return "\(decimal(value / 1e6, places: 1)) M\(unit)" }
    if value >= 1e3 { return "\(decimal(value / 1e3, places: 1)) k\(unit)" }
    return "\(decimal(value, places: 0)) \(unit)"
  }

  /// `part` of `whole` in percent; 0 when there is no whole.
  package static func percent(_ part: UInt64, of whole: UInt64) -> Double {
    whole == 0 ? 0 : rounded(Double(part) * 100 / Double(whole), places: 4)
  }

  /// `amount` a second over `seconds`; 0 when no time passed.
  package static func rate(_ amount: UInt64, over seconds: Double) -> Double {
    seconds > 0 ? (Double(amount) / seconds).rounded() : 0
  }

  /// `value` with what is behind the given decimal place dropped, for reports.
  package static func rounded(_ value: Double, places: Int) -> Double {
    var scale = 1.0
    for _ in 0..<places { scale *= 10 }
    return (value * scale).rounded() / scale
  }
}
