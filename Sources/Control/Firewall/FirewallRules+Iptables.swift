internal import DataPlane

extension FirewallRules {
  /// The same as commands of iptables(8), for those who keep their rules with it. Past connection tracking there is
  /// no such thing.
  package var iptables: [String] { paths.flatMap(iptables) }

  private func iptables(_ path: Path) -> [String] {
    let program = path.family == .ipv4 ? "iptables" : "ip6tables"
    let (input, output, peer) = ("-i \(device)", "-o \(device)", "\(path.peer)")
    let invalid = "-m conntrack --ctstate INVALID -j DROP"
    var commands = arrivalMatches(path).map { "-A INPUT ! \(input) \($0) \(invalid)" }
    switch end {
    case .client:
      commands += arrivalMatches(path).map {
        "-A INPUT ! \(input) \($0) --tcp-flags ACK ACK -m conntrack --ctstate NEW -j DROP"
      }
      commands.append("-t nat -A POSTROUTING -s \(peer) ! \(output) -j MASQUERADE")
    case .server(let address, let port):
      let here = address.map { "-d \($0)" } ?? "-m addrtype --dst-type LOCAL"
      let take = "-p tcp --dport \(port) \(here) -j DNAT --to-destination \(peer)"
      // What goes to a loopback address cannot leave through a device.
      let notLoopback = address == nil ? "! -d \(path.family == .ipv4 ? "127.0.0.0/8" : "::1") " : ""
      commands += ["-t nat -A PREROUTING ! \(input) \(take)", "-t nat -A OUTPUT \(notLoopback)\(take)"]
    }
    // The last one ends up first.
    commands += [
      "-I FORWARD \(output) -j ACCEPT", "-I FORWARD \(input) -j ACCEPT", "-I FORWARD \(input) \(invalid)",
    ]
    if let mark {
      let set = "-j MARK --set-mark \(mark)"
      commands.append("-t mangle -A PREROUTING \(input) \(set)")
      commands += arrivalMatches(path).map { "-t mangle -A PREROUTING ! \(input) \($0) \(set)" }
    }
    return commands.map { "\(program) \($0)" }
  }

  /// What the segments that come in have in common.
  private func arrivalMatches(_ path: Path) -> [String] {
    switch end {
    case .client(let remotes):
      remotes.filter { $0.address.family == path.family }.map { "-s \($0.address) -p tcp --sport \($0.port)" }
    case .server(_, let port): ["-p tcp --dport \(port)"]
    }
  }
}
