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
  private let policyMonitor = ChangeMonitor.policies()
  /// Devices where nobody else's rules would be passed by.
  private var checkedDevices: Set<String> = []
  /// Whether there were rules of iptables-legacy at the start, while they could be seen.
  private var hasLegacyRules = false
  /// Whether a table may be there, and the devices that programs are attached to, of a predecessor.
  private let hasPredecessor: Bool
  private var inheritedOutlets: [String]
  /// Programs at tc; nil where there are none.
  private var translator: Translator?
  /// Whether programs could not be restored, which is tried again and not complained about twice.
  private var isStuck = false
  private let log: Logger

  /// `predecessor`: of the process whose device this is going to be. `resumesTracked`: whether flows that are gone on
  /// with went through connection tracking. `keepsPorts`: whether it has had its servers' answers to itself all along.
  init(
    device: String, pairs: [TunAddressPair], _ preflight: Preflight, predecessor: InstanceRecord?,
    resumesTracked: Bool, keepsPorts: Bool, _ state: StateDirectory?, _ log: Logger
  ) {
    let configuration = preflight.configuration
    self.device = device
    self.pairs = pairs
    mtu = preflight.mtu
    mark = configuration.mark
    choice = TranslationChoice(
      mode: configuration.firewall, listen: configuration.listen, remotes: preflight.remotes, device: device,
      state: state, resumesTracked: resumesTracked, keepsPorts: keepsPorts,
      flowCountMax: configuration.flowCountMax,
      mark: configuration.mark)
    self.log = log
    hasPredecessor = predecessor != nil
    inheritedOutlets = predecessor?.outlets ?? []
  }

  /// Decides on the rules, if any are asked for, and gets programs ready at tc where they may be, which translate
  /// nothing yet.
  mutating func plan() throws(SetupError) {
    guard choice.mode != .off else { return }
    hasLegacyRules = Bypass.legacyRules() != nil
    var paths: [FirewallRules.Path] = []
    for pair in pairs {
      let family = pair.peer.family
      let translation = try choice.translation(
        family,
        prepare: { (outlet, others) throws(TranslationChoice.Obstacle) in
          try prepareTranslator(family, outlet, others)
        },
        explain: { [log] in log.info("\(family) addresses are translated by connection tracking, since \($0)")
        })
      paths.append(FirewallRules.Path(pair: pair, translation: translation))
    }
    // Addresses that come later, as they may while a host starts, find programs ready: bpf(2) is out of reach then.
    if choice.mode == .auto || choice.mode == .tc, translator == nil,
      paths.contains(where: { $0.translation == .unreachable })
    {
      try? loadTranslator()
    }
    let end: FirewallRules.End =
      switch choice.listen {
      case .udp: .client(remotes: choice.remotes)
      case .tcp(let address, let port): .server(address: address, port: port)
      }
    rules = FirewallRules(device: device, paths: paths, end: end, mark: mark)
  }

  /// Installs what is planned. Where programs cannot be attached after all, `auto` tracks.
  mutating func install() throws(SetupError) {
    do throws(KernelError) {
      try directTranslator()
    } catch {
      guard choice.mode == .auto else { throw .refusal(error) }
      log.warning("addresses are translated by connection tracking, since \(Bypass.refusal(error))")
      abandonTC()
    }
    // Whatever is refused half-way, there may be something to remove.
    isInstalled = true
    if let rules {
      try guardian.install(rules)
      // A predecessor may have translated otherwise.
      if hasPredecessor { try Firewall.remove(table: FirewallRules.table(of: device), rules.otherFamilies) }
    }
    // What a predecessor's programs translated comes to our rules from here on.
    detachInherited()
    warnAboutOthers()
  }

  /// Takes it that a predecessor has installed rules like ours, whose programs give way to ours at once, and to rules as
  /// soon as they are there.
  mutating func takeUp() {
    isInstalled = true
    // What is refused now is refused again when it is installed.
    try? directTranslator()
    if outletDevices != nil { detachInherited() }
  }

  /// Takes a predecessor's programs away from where ours have not taken their place.
  private mutating func detachInherited() {
    let unused = inheritedOutlets.filter { outletDevices?.contains($0) != true }
    if !inheritedOutlets.isEmpty {
      Translator.detach(device: device, outlets: unused, ownAsWell: outletDevices == nil)
    }
    inheritedOutlets = []
  }

  /// The devices that programs are attached to beside the TUN device, or will be.
  var outletDevices: [String]? {
    let devices = Set(
      (rules?.paths ?? []).filter(\.translation.isAtTC).compactMap(\.translation.outlet?.device))
    return devices.isEmpty ? nil : devices.sorted()
  }

  /// What programs at tc have counted; nil where there are none.
  var tcCounts: (translated: UInt64, strays: UInt64)? {
    translator.map { ($0.packets, $0.strays) }
  }

  /// Whether programs at tc are where they were attached, if there are any.
  var isInPlaceAtTC: Bool { translator?.isInPlace != false }

  /// What is refused is logged.
  func remove() {
    translator?.detach()
    guard isInstalled, let table = rules.map({ FirewallRules.table(of: $0.device) }) else { return }
    do throws(SetupError) {
      try Firewall.remove(table: table)
    } catch {
      log.warning("cannot remove the table \(table): \(error)")
    }
  }

  // MARK: - Others' rules

  private func warnAboutOthers() {
    guard let rules else { return }
    if choice.mode == .tc, let programs = (outletDevices ?? []).lazy.compactMap(Bypass.programs).first {
      log.warning("\(programs): guise's come after them, and see only what these pass on to the next")
    }
    let isForwarded = rules.tableFamilies.contains(.inet)
    guard isForwarded || choice.mode == .tc, let ruleset = try? Ruleset.current() else { return }
    if choice.mode == .tc, let chain = ruleset.chainForForwarded {
      log.notice("packets that are translated at tc pass the chain '\(chain)' by, as asked")
    }
    guard isForwarded else { return }
    let isClient = if case .client = rules.end { true } else { false }
    let passage = Passage(device: device, egress: nil, isClient: isClient, isServer: !isClient)
    for obstacle in ruleset.obstacles(to: passage) {
      log.warning("\(obstacle.text), so that nothing will pass: \(obstacle.remedy(device: device))")
    }
  }

  /// Goes over to connection tracking where others have come to have rules or policies of IPsec for forwarded packets,
  /// or filters where they come in, which nobody has asked to pass by.
  private mutating func giveWay(rulesHaveChanged: Bool) {
    let policiesHaveChanged = policyMonitor.hearsOfChanges()
    guard choice.mode == .auto, translator != nil else { return }
    let outlets = outletDevices ?? []
    let obstacle =
      (rulesHaveChanged ? rulesOfOthers() : nil) ?? (policiesHaveChanged ? Bypass.policies() : nil)
      ?? outlets.lazy.compactMap(Bypass.filters).first
    if let obstacle { track(because: obstacle) }
  }

  /// A look that fails, as on a host that is short of time or memory, is taken again, and no reason to leave tc.
  private mutating func rulesOfOthers() -> String? {
    do throws(SetupError) {
      return try Bypass.rules()
    } catch {
      guardian.looksAgain = true
      return nil
    }
  }

  /// Goes over to connection tracking, with the flows.
  private mutating func track(because reason: String) {
    guard var next = rules else { return }
    for index in next.paths.indices { next.paths[index].translation = .tracked(ports: nil) }
    replace(with: next, because: reason)
    // What passed them by so far may not pass them.
    warnAboutOthers()
  }

  /// Plans to track what was to be translated at tc.
  private mutating func abandonTC() {
    guard let paths = rules?.paths else { return }
    for index in paths.indices where paths[index].translation.isAtTC {
      rules?.paths[index].translation = .tracked(ports: nil)
    }
    translator?.detach()
    translator = nil
  }

  // MARK: - At tc

  /// Has programs that can take the place of rules for what leaves by `outlet`.
  private mutating func prepareTranslator(
    _ family: AddressFamily, _ outlet: Outlet, _ others: [Outlet]
  ) throws(TranslationChoice.Obstacle) {
    guard mtu <= Translator.mtuMax else {
      throw TranslationChoice.Obstacle("packets of \(mtu) bytes are too large for programs at tc")
    }
    try checkBypass(family, outlet, others)
    if translator == nil { try loadTranslator() }
  }

  private mutating func loadTranslator() throws(TranslationChoice.Obstacle) {
    let isMarked = mark != nil
    do throws(KernelError) {
      if try TranslatorPrograms.canLookUpRoutes(isMarked: isMarked) {
        let role: Role = if case .udp = choice.listen { .client } else { .server }
        translator = try Translator(role, device: device, isMarked: isMarked)
      }
    } catch {
      throw TranslationChoice.Obstacle(Bypass.refusal(error))
    }
    if translator == nil { throw TranslationChoice.Obstacle(Bypass.tooOld(isMarked: isMarked)) }
  }

  /// Whether nobody else's rules would be passed by unasked, and the kernel takes ours.
  private mutating func checkBypass(
    _ family: AddressFamily, _ outlet: Outlet, _ others: [Outlet]
  ) throws(TranslationChoice.Obstacle) {
    // What holds for one family does for the other.
    if choice.mode == .auto, let outletDevice = outlet.device, !checkedDevices.contains(outletDevice) {
      if let obstacle = Bypass.obstacle(on: outletDevice) { throw TranslationChoice.Obstacle(obstacle) }
      checkedDevices.insert(outletDevice)
    }
    guard !others.isEmpty else { return }
    let path = FirewallRules.Path(
      pair: TunAddressing.defaultPair(.server, family), translation: .atTC(outlet, others: others))
    guard Firewall.takes(FirewallRules(device: device, paths: [path], end: .server(address: nil, port: 1)))
    else {
      throw TranslationChoice.Obstacle(
        "the kernel has no rules for single devices (CONFIG_NF_TABLES_NETDEV, CONFIG_NETFILTER_EGRESS)")
    }
  }

  /// Has programs translate what is theirs, and be where it passes.
  private func directTranslator() throws(KernelError) {
    guard let rules, let translator else { return }
    for path in rules.paths {
      guard case .atTC(let outlet, let others) = path.translation else {
        translator.stop(path.family)
        continue
      }
      let (remotes, ports) =
        switch rules.end {
        case .client(let remotes): (remotes, Translation.statelessPorts)
        case .server(_, let port): ([], port...port)
        }
      translator.translate(
        path.pair, by: outlet, others: others, remotes: remotes, ports: ports, mark: mark)
    }
    try translator.attach()
  }

  // MARK: - In step with the host

  /// Replaces the rules when an address that they name is no longer the host's.
  mutating func followAddresses() {
    guard var next = rules else { return }
    let isAstray = translator?.hasNewStrays() == true
    followOutlets(&next, isAstray: isAstray)
    replace(with: next, because: isAstray ? "packets leave another way" : "the host's addresses have changed")
  }

  /// Lets a client's rules name the servers by other addresses.
  mutating func follow(remotes: [Endpoint]) {
    let known = Set(choice.rivals.map(\.device))
    choice.remotes = remotes
    guard var next = rules else { return }
    next.end = .client(remotes: remotes)
    if let rival = choice.rivals.first(where: { !known.contains($0.device) }) {
      for index in next.paths.indices { next.paths[index].translation = choice.tracked }
      return replace(
        with: next,
        because: "a server's address has changed, and \(rival.device) on this host goes there already")
    }
    followOutlets(&next, isAstray: true)
    replace(with: next, because: "a server's address has changed")
  }

  private mutating func followOutlets(_ next: inout FirewallRules, isAstray: Bool) {
    for index in next.paths.indices {
      let path = next.paths[index]
      let successor = choice.successor(
        of: path.translation, path.family, mayBypass: translator != nil, isAstray: isAstray)
      guard let successor else { continue }
      next.paths[index].translation = mayBypassOthers(successor) ? successor : .tracked(ports: nil)
    }
  }

  /// Whether nobody else's rules would be passed by unasked on a device that was not looked at before.
  private mutating func mayBypassOthers(_ translation: Translation) -> Bool {
    guard choice.mode == .auto, translation.isAtTC, let outletDevice = translation.outlet?.device,
      !checkedDevices.contains(outletDevice)
    else { return true }
    guard !hasLegacyRules, Bypass.obstacle(on: outletDevice) == nil else { return false }
    checkedDevices.insert(outletDevice)
    return true
  }

  /// What is refused is logged.
  private mutating func replace(with next: FirewallRules, because reason: String) {
    guard next != rules else { return }
    var refusal: SetupError?
    do throws(SetupError) {
      try guardian.install(next)
      try Firewall.remove(table: FirewallRules.table(of: device), next.otherFamilies)
    } catch {
      refusal = error
    }
    // Where they were refused, the guardian tries again each second.
    rules = next
    do throws(KernelError) { try directTranslator() } catch { refusal = .refusal(error) }
    if !next.paths.contains(where: \.translation.isAtTC), choice.mode == .auto {
      translator?.detach()
      translator = nil
    }
    if let refusal {
      log.warning("\(reason), and the rules cannot follow: \(refusal)")
    } else {
      log.notice("\(reason): \(next.summary)")
    }
  }

  /// How often the rules had to be put back.
  var restorations: UInt64 { guardian.restorations }

  /// Puts the rules back when somebody else has removed or changed them, as a firewall does that flushes all
  /// tables before it loads its own, programs as well, and gives way to rules of others. To be called now and then.
  mutating func restore() {
    let thereAreChanges = guardian.hearsOfChanges()
    giveWay(rulesHaveChanged: thereAreChanges)
    guard let rules else { return }
    do throws(SetupError) {
      switch try guardian.restore(rules, afterChanges: thereAreChanges) {
      case nil: break
      case .again:
        log.warning(
          "somebody has removed or changed the table \(FirewallRules.table(of: device)): restored")
      case .atLast:
        try Firewall.remove(table: FirewallRules.table(of: device), rules.otherFamilies)
        log.notice("the firewall's rules are in place now: \(rules.summary)")
      }
    } catch {
      log.warning("somebody has removed the firewall's rules, and they cannot be restored: \(error)")
    }
    restoreFilters()
  }

  /// Attaches programs anew where they have been taken away, or their devices have come back as others.
  private mutating func restoreFilters() {
    guard let translator else { return }
    do throws(KernelError) {
      try directTranslator()
      if try translator.restoreFilters() {
        guardian.noteRestoration()
        log.warning("somebody has removed the programs at tc: restored")
      }
      isStuck = false
    } catch {
      if !isStuck { log.warning("the programs at tc cannot be restored: \(error)") }
      isStuck = true
    }
  }
}
