import Testing

/// Everything that a gateway may change on a host, as sorted lines that name what they are about.
struct HostState: Equatable, Sendable {
  private(set) var lines: [String]

  init(of host: Namespace) throws {
    let questions: [(String, [String])] = [
      ("rules", ["nft", "list", "ruleset"]),
      ("link", ["ip", "-br", "link"]),
      ("address", ["ip", "-br", "address"]),
      ("route4", ["ip", "-4", "route", "show", "table", "all"]),
      ("route6", ["ip", "-6", "route", "show", "table", "all"]),
      ("policy", ["ip", "rule"]),
      (
        "setting",
        ["sysctl", "-a", "-r", "forward|accept_ra$|accept_redirects|rp_filter|route_localnet|disable_ipv6"]
      ),
    ]
    // An empty file to lock does no harm, and to remove it would let two gateways hold it at once.
    lines = host.stateFiles.filter { !$0.hasSuffix(".lock") }.map { "file: \($0)" }
    for (topic, question) in questions {
      let answer = try host.run(question)
      lines += answer.split(separator: "\n").map { "\(topic): \($0)" }
    }
    lines.sort()
  }

  /// What is on the host now and was not before; with a leading `-`, what went missing.
  func changes(since before: HostState) -> [String] {
    lines.difference(from: before.lines).map { change in
      switch change {
      case .insert(_, let line, _): "+ \(line)"
      case .remove(_, let line, _): "- \(line)"
      }
    }
  }

  /// Records an issue when the host differs from this state.
  func expectUnchanged(on host: Namespace, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let changes = try HostState(of: host).changes(since: self)
    #expect(changes == [], sourceLocation: sourceLocation)
  }
}
