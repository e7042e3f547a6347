internal import DataPlane

/// Metrics as Prometheus reads them (text exposition format 0.0.4).
struct PrometheusText {
  static let contentType = "text/plain; version=0.0.4; charset=utf-8"

  private(set) var text = ""

  private init() {}

  init(_ readings: [Metric.TunnelReading]) {
    for metric in Metric.all {
      var lines = PrometheusText()
      for reading in readings { lines.add(metric, reading) }
      // A metric of which nobody knows a value is left out.
      guard !lines.text.isEmpty else { continue }
      text += "# HELP \(metric.name) \(metric.help)\n# TYPE \(metric.name) \(metric.kind.rawValue)\n"
      text += lines.text
    }
  }

  private mutating func add(_ metric: Metric, _ reading: Metric.TunnelReading) {
    let tunnel = [("tunnel", reading.tunnel.name)]
    switch metric.source {
    case .counters(let parts):
      for (worker, counters) in reading.counters.enumerated() {
        for (direction, counter) in parts {
          let labels = tunnel + [("worker", "\(worker)")] + (direction.map { [("direction", $0)] } ?? [])
          line(metric.name, labels, "\(counters[counter])")
        }
      }
    case .drops:
      for (worker, counters) in reading.counters.enumerated() {
        for reason in DropReason.allCases {
          line(
            metric.name, tunnel + [("worker", "\(worker)"), ("reason", reason.name)], "\(counters[reason])")
        }
      }
    case .distribution(let distribution, let unit, let first):
      for (worker, counters) in reading.counters.enumerated() {
        add(metric.name, counters[distribution], unit, from: first, tunnel + [("worker", "\(worker)")])
      }
    case .worker(let value):
      for (worker, counters) in reading.counters.enumerated() {
        guard let value = value(counters, reading.processorSeconds[worker]) else { continue }
        line(metric.name, tunnel + [("worker", "\(worker)")], Self.number(value))
      }
    case .tunnel(let value):
      if let value = value(reading) { line(metric.name, tunnel, Self.number(value)) }
    case .information:
      let about = reading.tunnel
      line(
        metric.name,
        tunnel + [
          ("name", about.title ?? ""), ("role", about.role), ("engine", about.engine),
          ("listen", about.listen),
          ("remote", about.remotes.joined(separator: ",")), ("version", about.version),
        ], "1")
    }
  }

  /// Buckets are cumulative; those below the first that is worth telling apart are part of it.
  private mutating func add(
    _ name: String, _ distribution: DistributionSnapshot, _ unit: Double, from first: Int,
    _ labels: [(String, String)]
  ) {
    var count: UInt64 = 0
    for (bucket, inBucket) in distribution.buckets.enumerated() {
      count += inBucket
      guard bucket >= first else { continue }
      let bound = Distribution.bound(of: bucket).map { Self.number(Double($0) * unit) } ?? "+Inf"
      line("\(name)_bucket", labels + [("le", bound)], "\(count)")
    }
    line("\(name)_sum", labels, Self.number(Double(distribution.sum) * unit))
    line("\(name)_count", labels, "\(count)")
  }

  private mutating func line(_ name: String, _ labels: [(String, String)], _ value: String) {
    text += name
    var separator = "{"
    for (label, content) in labels {
      text += "\(separator)\(label)=\"\(Self.escaped(content))\""
      separator = ","
    }
    text += "} \(value)\n"
  }

  private static let special = [UInt8(ascii: "\\"), UInt8(ascii: "\""), UInt8(ascii: "\n")]

  private static func escaped(_ text: String) -> String {
    // Hardly any has something to escape, and there are thousands.
    guard text.utf8.contains(where: special.contains) else { return text }
    return text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
  }

  static func number(_ value: Double) -> String {
    if let whole = Int64(exactly: value) { return "\(whole)" }
    return "\(value)"
  }
}
