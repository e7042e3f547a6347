internal import DataPlane
internal import Logging

/// A gateway's table of rules on this host: planned, installed, kept in step with the host, removed.
struct HostFirewall: ~Copyable {
  /// What is installed, nil where guise leaves the firewall alone.
  private(set) var rules: FirewallRules?

  private let device: String
  private let pairs: [TunAddressPair]
  private let mark: UInt32?
  private var choice: TranslationChoice
  private var guardian = RulesGuardian()
  private let state: StateDirectory?
  private let log: Logger

  /// `neighbours`: the records of other instances of this namespace.
  init(
    device: String, pairs: [TunAddressPair], _ preflight: Preflight, neighbours: [InstanceRecord],
    _ state: StateDirectory?, _ log: Logger
  ) {
    let configuration = preflight.configuration
    self.device = device
    self.pairs = pairs
    mark = configuration.mark
    choice = TranslationChoice(
      mode: configuration.firewall, listen: configuration.listen, remotes: preflight.remotes,
      neighbours: neighbours)
    self.state = state
    self.log = log
  }

  /// The rules that are asked for; nil where none are.
  func planned() throws(SetupError) -> FirewallRules? {
    guard choice.mode != .off else { return nil }
    var paths: [FirewallRules.Path] = []
    for pair in pairs {
      let translation = try choice.translation(pair.peer.family, device: device)
      paths.append(FirewallRules.Path(pair: pair, translation: translation))
    }
    let end: FirewallRules.End =
      switch choice.listen {
      case .udp: .client(remotes: choice.remotes)
      case .tcp(let address, let port): .server(address: address, port: port)
      }
    return FirewallRules(device: device, paths: paths, end: end, mark: mark)
  }

  mutating func install(_ planned: FirewallRules) throws(SetupError) {
    try guardian.install(planned)
    rules = planned
    warnAboutForwardChains()
  }

  /// Takes it that a predecessor has installed them.
  mutating func takeUp(_ planned: FirewallRules?) { rules = planned }

  /// Installs what was taken up.
  mutating func renew() throws(SetupError) {
    if let rules { try guardian.install(rules) }
    warnAboutForwardChains()
  }

  /// What is refused is logged.
  func remove() {
    guard let table = rules.map({ FirewallRules.table(of: $0.device) }) else { return }
    do throws(SetupError) {
      try Firewall.remove(table: table)
    } catch {
      log.warning("cannot remove the table inet \(table): \(error)")
    }
  }

  private func warnAboutForwardChains() {
    guard let ruleset = try? Ruleset.current() else { return }
    let isClient = if case .client = rules?.end { true } else { false }
    let passage = Passage(device: device, egress: nil, isClient: isClient, isServer: !isClient)
    for obstacle in ruleset.obstacles(to: passage) {
      log.warning("\(obstacle.text), so that nothing will pass: \(obstacle.remedy(device: device))")
    }
  }

  // MARK: - In step with the host

  /// Replaces the rules when an address that they name is no longer the host's.
  mutating func followAddresses() {
    guard var next = rules else { return }
    followOutlets(&next)
    replace(with: next, because: "the host's addresses have changed")
  }

  /// Lets a client's rules name the servers by other addresses.
  mutating func follow(remotes: [Endpoint]) {
    choice.remotes = remotes
    guard var next = rules else { return }
    next.end = .client(remotes: remotes)
    followOutlets(&next)
    replace(with: next, because: "a server's address has changed")
  }

  private func followOutlets(_ next: inout FirewallRules) {
    for index in next.paths.indices {
      guard let outlet = next.paths[index].outlet,
        let successor = choice.successor(
          of: outlet, device: device,
          neighbours: { [state, device] in state?.liveInstances(besides: device) ?? [] })
      else { continue }
      next.paths[index].translation = .stateless(successor)
    }
  }

  /// What is refused is logged.
  private mutating func replace(with next: FirewallRules, because reason: String) {
    guard next != rules else { return }
    do throws(SetupError) {
      try guardian.install(next)
      log.notice("\(reason): \(next.summary)")
    } catch {
      log.warning("\(reason), and the rules cannot follow: \(error)")
    }
    // Not tried again for the same change.
    rules = next
  }

  /// How often the rules had to be put back.
  var restorations: UInt64 { guardian.restorations }

  /// Puts the rules back when somebody else has removed or changed them, as a firewall does that flushes all
  /// tables before it loads its own. To be called now and then.
  mutating func restore() {
    guard let rules else { return }
    do throws(SetupError) {
      if try guardian.restore(rules) {
        log.warning(
          "somebody has removed or changed the table inet \(FirewallRules.table(of: device)): restored")
      }
    } catch {
      log.warning("somebody has removed the firewall's rules, and they cannot be restored: \(error)")
    }
  }
}
