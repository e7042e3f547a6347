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
    if value >= 100 || value == value.rounded() { return "\(whole(value))" }
    let factor = value >= 10 ? 10.0 : 100.0
    return "\((value * factor).rounded() / factor)"
  }

  package static func count(_ count: Int, _ noun: String) -> String {
    "\(count) \(noun)\(count == 1 ? "" : "s")"
  }

  package static func percent(_ value: Double) -> String { "\(whole(100 * value)) %" }

  /// The nearest whole number, or the nearest that there is: figures of other processes may be any.
  private static func whole(_ value: Double) -> Int {
    Int(exactly: value.rounded()) ?? (value > 0 ? .max : value < 0 ? .min : 0)
  }

  package static func duration(_ seconds: Double) -> String {
    let whole = max(0, whole(seconds.rounded(.down)))
    let (days, hours, minutes) = (whole / 86_400, whole / 3_600 % 24, whole / 60 % 60)
    if days > 0 { return "\(days) d \(hours) h" }
    if hours > 0 { return "\(hours) h \(minutes) min" }
    return minutes > 0 ? "\(minutes) min \(whole % 60) s" : "\(whole) s"
  }
}
