internal import DataPlane
internal import Glibc
internal import Logging

/// How a gateway's addresses are translated on this host, by a table of rules and, where that may be, by programs at tc
/// in front of them: planned, installed, kept in step with the host, removed.
struct HostFirewall: ~Copyable {
  /// What is to be, or is, installed; nil where guise leaves the firewall alone.
  private(set) var rules: FirewallRules?
  private var isInstalled = false

  private let device: String
  private let pairs: [TunAddressPair]
  private let mtu: Int
  private let mark: UInt32?
  private var choice: TranslationChoice
  private var guardian = RulesGuardian()
  private var translator: Translator?
  /// The devices that programs are attached to for what a family's packets leave and enter the host by.
  private var outletDevices: [AddressFamily: String] = [:]
  private let log: Logger

  /// `resumesTracked`: whether a predecessor's flows went through connection tracking.
  init(
    device: String, pairs: [TunAddressPair], _ preflight: Preflight, resumesTracked: Bool, _ state: StateDirectory?, _ log: Logger
  ) {
    let configuration = preflight.configuration
    self.device = device
    self.pairs = pairs
    mtu = preflight.mtu
    mark = configuration.mark
    choice = TranslationChoice(
      mode: configuration.firewall, listen: configuration.listen, remotes: preflight.remotes, device: device,
      state: state, resumesTracked: resumesTracked, flowCountMax: configuration.flowCountMax,
      mark: configuration.mark)
    self.log = log
  }

  /// Decides on the rules, if any are asked for, and gets programs ready at tc where they may be, which translate
  /// nothing yet.
  mutating func plan() throws(SetupError) {
    guard choice.mode != .off else { return }
    var paths: [FirewallRules.Path] = []
    for pair in pairs {
      let family = pair.peer.family
      let translation = try choice.translation(
        family,
        prepare: { (outlet, others) throws(TranslationChoice.Obstacle) in
          try prepareTranslator(family, outlet, others)
        },
        explain: { [log] in log.info("\(family) addresses are translated by connection tracking, since \($0)") })
      paths.append(FirewallRules.Path(pair: pair, translation: translation))
    }
    // For a family whose addresses come later, as routers give them, on the device that the other one is on.
    if let outletDevice = outletDevices.values.first {
      for path in paths where path.translation == .unreachable { outletDevices[path.family] = outletDevice }
    }
    let end: FirewallRules.End =
      switch choice.listen {
      case .udp: .client(remotes: choice.remotes)
      case .tcp(let address, let port): .server(address: address, port: port)
      }
    rules = FirewallRules(device: device, paths: paths, end: end, mark: mark)
  }

  /// Installs what is planned.
  mutating func install() throws(SetupError) {
    if let rules { try guardian.install(rules) }
    takeUp()
    warnAboutOthers()
  }

  /// Takes it that a predecessor has installed rules like ours.
  mutating func takeUp() {
    isInstalled = true
    directTranslators()
  }

  /// What programs at tc have counted; nil where there are none.
  var packetsAtTC: (translated: UInt64, strays: UInt64)? {
    translator.map { ($0.packets, $0.strays) }
  }

  /// What is refused is logged.
  func remove() {
    guard isInstalled, let table = rules.map({ FirewallRules.table(of: $0.device) }) else { return }
    do throws(SetupError) {
      try Firewall.remove(table: table)
    } catch {
      log.warning("cannot remove the table \(table): \(error)")
    }
  }

  // MARK: - Others' rules

  private func warnAboutOthers() {
    guard rules != nil, let ruleset = try? Ruleset.current() else { return }
    if choice.mode == .tc, let chain = ruleset.chainForForwarded {
      log.notice("packets that are translated at tc pass the chain '\(chain)' by, as asked")
    }
    let isClient = if case .client = rules?.end { true } else { false }
    let passage = Passage(device: device, egress: nil, isClient: isClient, isServer: !isClient)
    for obstacle in ruleset.obstacles(to: passage) {
      log.warning("\(obstacle.text), so that nothing will pass: \(obstacle.remedy(device: device))")
    }
  }

  /// Goes over to connection tracking where others have come to have rules for forwarded packets, which nobody has
  /// asked to pass by.
  private mutating func giveWay() {
    guard choice.mode == .auto, var next = rules, !outletDevices.isEmpty, let reason = Bypass.rules() else {
      return
    }
    for index in next.paths.indices { next.paths[index].translation = .tracked(ports: nil) }
    replace(with: next, because: reason)
    outletDevices = [:]
  }

  /// Goes over to rules where packets leave by another device than the one with programs, or that one has gone and come
  /// back as another.
  private mutating func leaveTC() {
    guard var next = rules, let translator,
      let (family, outletDevice) = outletDevices.first(where: { translator.isPassedBy(at: $1) })
    else { return }
    for index in next.paths.indices where next.paths[index].family == family {
      guard case .atTC(let outlet, _) = next.paths[index].translation else { return }
      let isClient = if case .client = next.end { true } else { false }
      next.paths[index].translation =
        choice.mode == .auto
        ? .tracked(ports: nil)
        : .stateless(isClient ? Outlet(device: nil, address: outlet.address) : outlet)
    }
    replace(with: next, because: "packets do not leave by \(outletDevice) any more")
    outletDevices[family] = nil
  }

  // MARK: - At tc

  /// Has programs that can take the place of rules for what leaves by `outlet`.
  private mutating func prepareTranslator(
    _ family: AddressFamily, _ outlet: Outlet, _ others: [Outlet]
  ) throws(TranslationChoice.Obstacle) {
    guard let outletDevice = outlet.device, Bypass.hasLinkHeader(outletDevice) else {
      throw TranslationChoice.Obstacle("\(outlet.device ?? "the device") has no link-layer header")
    }
    guard mtu <= Translator.mtuMax else {
      throw TranslationChoice.Obstacle("packets of \(mtu) bytes are too large for programs at tc")
    }
    if choice.mode == .auto, let obstacle = Bypass.obstacle(on: outletDevice) {
      throw TranslationChoice.Obstacle(obstacle)
    }
    let path = FirewallRules.Path(
      pair: TunAddressing.defaultPair(.server, family), translation: .atTC(outlet, others: others))
    guard Firewall.takes(FirewallRules(device: device, paths: [path], end: .server(address: nil, port: 1))) else {
      throw TranslationChoice.Obstacle("the kernel has no rules for single devices (CONFIG_NF_TABLES_NETDEV)")
    }
    do throws(KernelError) {
      if translator == nil, let made = try makeTranslator() { translator = made }
      try translator?.attach(to: outletDevice)
    } catch {
      throw TranslationChoice.Obstacle(Bypass.refusal(error))
    }
    guard translator != nil else {
      throw TranslationChoice.Obstacle("programs at tc know nothing of '--fwmark' before Linux 6.10")
    }
    outletDevices[family] = outletDevice
  }

  /// nil where the kernel cannot look up routes for packets with a mark, and they have one.
  private func makeTranslator() throws(KernelError) -> Translator? {
    if mark != nil { guard try TranslatorPrograms.canMark() else { return nil } }
    let role: Role = if case .udp = choice.listen { .client } else { .server }
    return try Translator(role, device: device, isMarked: mark != nil)
  }

  /// Has programs translate what is theirs.
  private func directTranslators() {
    guard let rules else { return }
    for path in rules.paths {
      guard case .atTC(let outlet, let others) = path.translation else {
        translator?.stop(path.family)
        continue
      }
      let (remotes, ports) =
        switch rules.end {
        case .client(let remotes): (remotes, Translation.statelessPorts)
        case .server(_, let port): ([], port...port)
        }
      translator?.translate(
        path.pair, by: outlet, remotes: remotes, ports: ports, mtu: mtu, mark: mark,
        leavesOthersAlone: !others.isEmpty)
    }
  }

  // MARK: - In step with the host

  /// Replaces the rules when an address that they name is no longer the host's.
  mutating func followAddresses() {
    guard var next = rules else { return }
    followOutlets(&next)
    replace(with: next, because: "the host's addresses have changed")
    leaveTC()
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
      let path = next.paths[index]
      let successor = choice.successor(
        of: path.translation, path.family, programs: outletDevices[path.family])
      if let successor { next.paths[index].translation = successor }
    }
  }

  /// What is refused is logged.
  private mutating func replace(with next: FirewallRules, because reason: String) {
    guard next != rules else { return }
    var refusal: SetupError?
    do throws(SetupError) {
      let left = rules?.tableFamilies.filter { !next.tableFamilies.contains($0) } ?? []
      try guardian.install(next)
      try Firewall.remove(table: FirewallRules.table(of: device), left)
    } catch {
      refusal = error
    }
    // Not tried again for the same change.
    rules = next
    directTranslators()
    if let refusal {
      log.warning("\(reason), and the rules cannot follow: \(refusal)")
    } else {
      log.notice("\(reason): \(next.summary)")
    }
  }

  /// How often the rules had to be put back.
  var restorations: UInt64 { guardian.restorations }

  /// Puts the rules back when somebody else has removed or changed them, as a firewall does that flushes all
  /// tables before it loads its own, and gives way to rules of others. To be called now and then.
  mutating func restore() {
    let thereAreChanges = guardian.hearsOfChanges()
    if thereAreChanges { giveWay() }
    guard let rules else { return }
    do throws(SetupError) {
      if try guardian.restore(rules, afterChanges: thereAreChanges) {
        log.warning(
          "somebody has removed or changed the table \(FirewallRules.table(of: device)): restored")
      }
    } catch {
      log.warning("somebody has removed the firewall's rules, and they cannot be restored: \(error)")
    }
  }
}
