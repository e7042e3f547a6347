/// Numbers as people read them.
package enum Figures {
  /// Of bytes a second.
  package static func bits(_ bytes: Double) -> String {
    var (value, unit) = (8 * bytes, 0)
    let units = ["bit/s", "kbit/s", "Mbit/s", "Gbit/s"]
    while value >= 1_000, unit < units.count - 1 { (value, unit) = (value / 1_000, unit + 1) }
    return "\(plain(value)) \(units[unit])"
  }

  /// Three places or so; a dash where there is nothing to tell.
  package static func plain(_ value: Double?) -> String {
    guard let value else { return "-" }
    if value >= 100 || value == value.rounded() { return "\(Int(value.rounded()))" }
    let factor = value >= 10 ? 10.0 : 100.0
    return "\((value * factor).rounded() / factor)"
  }

  package static func count(_ count: Int, _ noun: String) -> String {
    "\(count) \(noun)\(count == 1 ? "" : "s")"
  }

  package static func percent(_ value: Double) -> String { "\(Int((100 * value).rounded())) %" }

  package static func duration(_ seconds: Double) -> String {
    let whole = max(0, Int(seconds))
    let (days, hours, minutes) = (whole / 86_400, whole / 3_600 % 24, whole / 60 % 60)
    if days > 0 { return "\(days) d \(hours) h" }
    if hours > 0 { return "\(hours) h \(minutes) min" }
    return minutes > 0 ? "\(minutes) min \(whole % 60) s" : "\(whole) s"
  }
}
