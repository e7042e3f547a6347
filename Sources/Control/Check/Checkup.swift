internal import FoundationEssentials

/// All checks of a host, one after the other.
package struct Checkup: Sendable {
  package struct Entry: Codable, Equatable, Sendable {
    package let check: String
    package let finding: Finding

    package init(check: String, finding: Finding) {
      self.check = check
      self.finding = finding
    }

    private enum Keys: String, CodingKey { case check, verdict, text, remedy }

    package init(from decoder: any Decoder) throws {
      check = try decoder.container(keyedBy: Keys.self).decode(String.self, forKey: .check)
      finding = try Finding(from: decoder)
    }

    /// One flat object.
    package func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: Keys.self)
      try container.encode(check, forKey: .check)
      try finding.encode(to: encoder)
    }
  }

  static let checks: [any Check] = [
    KernelCheck(), EngineCheck(), ToolsCheck(), PrivilegesCheck(), TunCheck(), TranslationCheck(),
    BypassCheck(), ForwardingCheck(), ForwardHookCheck(), ReversePathCheck(), ConntrackCheck(), RouteCheck(),
    MTUCheck(),
    OffloadCheck(), BufferCheck(), DescriptorCheck(), PortCheck(), LeftoversCheck(), PeerCheck(),
  ]

  /// Looks at everything. `tell` gets each finding as soon as it is known.
  package static func run(_ plan: CheckPlan, tell: (Entry) -> Void = { _ in }) -> Checkup {
    run(plan.resolved(), .current(), checks, tell)
  }

  static func run(
    _ plan: CheckPlan, _ host: HostView, _ checks: [any Check], _ tell: (Entry) -> Void = { _ in }
  ) -> Checkup {
    var entries: [Entry] = []
    for check in checks {
      for finding in check.findings(plan, host) {
        let entry = Entry(check: check.name, finding: finding)
        entries.append(entry)
        tell(entry)
      }
    }
    return Checkup(entries: entries)
  }

  package let entries: [Entry]

  package func count(_ verdict: Finding.Verdict) -> Int { entries.count { $0.finding.verdict == verdict } }

  /// Whether a gateway can run, and if `isStrict`, whether nothing at all is to be mended.
  package func isPassed(isStrict: Bool) -> Bool { count(.fail) == 0 && (!isStrict || count(.warn) == 0) }

  // MARK: - As text

  private static let nameWidth = 14

  /// A line, and one more with the remedy.
  package static func line(_ entry: Entry) -> String {
    let finding = entry.finding
    let name = entry.check + String(repeating: " ", count: max(1, nameWidth - entry.check.count))
    let line = "\(finding.verdict.rawValue)  \(name)\(finding.text)\n"
    guard let remedy = finding.remedy else { return line }
    return line + "      \(String(repeating: " ", count: nameWidth))-> \(remedy)\n"
  }

  package var summary: String {
    "\(count(.fine)) fine, \(count(.warn)) to be warned of, \(count(.fail)) in the way\n"
  }

  // MARK: - As JSON

  private struct Report: Encodable {
    let fine: Int
    let warn: Int
    let fail: Int
    let findings: [Entry]
  }

  package var json: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    let report = Report(fine: count(.fine), warn: count(.warn), fail: count(.fail), findings: entries)
    guard let data = try? encoder.encode(report) else { preconditionFailure("findings are plain values") }
    return String(decoding: data, as: UTF8.self) + "\n"
  }
}
