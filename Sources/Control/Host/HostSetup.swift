internal import DataPlane
internal import Glibc
internal import Logging

/// What a gateway has on the host: its device with addresses, forwarding, and its firewall table.
///
/// Made as a whole or not at all. `undo` gives back everything but the device, which goes with its
/// queues; an instance that dies without is cleaned up after by the next one (`Leftovers`).
struct HostSetup: ~Copyable {
  /// Packets that may wait in each of the device's queues; the kernel's own 500 is one burst.
  static let transmitQueueLength = 4096

  let device: TunDevice
  let pairs: [TunAddressPair]
  /// What is installed, nil where guise leaves the firewall alone.
  private(set) var rules: FirewallRules?

  private let log: Logger
  private let sysctl = Sysctl()
  private let state: StateDirectory?
  private var instance: LockedFile?
  private var choice: TranslationChoice
  /// Changes that could not be recorded in the state directory.
  private var unrecorded: [SysctlChange] = []
  private var isUndone = false

  /// Sets the host up, after cleaning up what dead instances left.
  static func apply(_ preflight: Preflight, _ log: Logger) throws(SetupError) -> HostSetup {
    guard let state = openState(preflight.confinement.account, log) else {
      return try applyLocked(preflight, nil, log)
    }
    return try state.withLock { () throws(SetupError) in
      Leftovers.undo(state, Sysctl(), log)
      return try applyLocked(preflight, state, log)
    }
  }

  private static func applyLocked(
    _ preflight: Preflight, _ state: StateDirectory?, _ log: Logger
  ) throws(SetupError) -> HostSetup {
    let configuration = preflight.configuration
    let taken = try HostNetwork.takenPrefixes(preflight.families)
    var pairs: [TunAddressPair] = []
    for family in AddressFamily.allCases where preflight.families.contains(family) {
      pairs.append(try choosePair(family, configuration, taken + preflight.remotes.map(remotePrefix), log))
    }
    let device = try makeDevice(preflight)
    let choice = TranslationChoice(
      mode: configuration.firewall, listen: configuration.listen, remotes: preflight.remotes,
      neighbours: state?.liveInstances(besides: nil) ?? [])
    var setup = HostSetup(device: device, pairs: pairs, log: log, state: state, choice: choice)
    do throws(SetupError) {
      try setup.bringUp(preflight)
      return setup
    } catch {
      device.close()
      setup.undoLocked()
      throw error
    }
  }

  private init(
    device: TunDevice, pairs: [TunAddressPair], log: Logger, state: StateDirectory?, choice: TranslationChoice
  ) {
    self.device = device
    self.pairs = pairs
    self.log = log
    self.state = state
    self.choice = choice
  }

  // MARK: - Choices

  private static func openState(_ account: Account?, _ log: Logger) -> StateDirectory? {
    do throws(LockedFile.Failure) {
      let state = try StateDirectory(namespace: .current(), account: account)
      if !state.belongs(to: account) {
        log.warning(
          """
          \(state.path) is another user's than the one that this gateway goes on as ('--user'): its record there \
          stays until the next start or 'guise cleanup'
          """)
      }
      return state
    } catch {
      log.warning(
        "cannot write \(StateDirectory.standardPath): if this process is killed, nobody will clean up after it"
      )
      return nil
    }
  }

  private static func choosePair(
    _ family: AddressFamily, _ configuration: GatewayConfiguration, _ taken: [TakenPrefix], _ log: Logger
  ) throws(SetupError) -> TunAddressPair {
    let request = family == .ipv4 ? configuration.tunIPv4 : configuration.tunIPv6
    let pair = try TunAddressing.choose(configuration.role, family, request: request, taken: taken)
    if !request.isExplicit, pair != TunAddressing.defaultPair(configuration.role, family) {
      log.notice("the usual \(family) addresses are taken on this host: using \(pair.local) and \(pair.peer)")
    }
    return pair
  }

  /// The other end's own address must not end up on the device.
  private static func remotePrefix(_ remote: Endpoint) -> TakenPrefix {
    let prefix = AddressPrefix(remote.address, length: remote.address.isIPv4 ? 32 : 128)
    return TakenPrefix(prefix: prefix, reason: "it is the address of '--remote'")
  }

  private static func makeDevice(_ preflight: Preflight) throws(SetupError) -> TunDevice {
    let configuration = preflight.configuration
    let device: TunDevice
    do throws(KernelError) {
      device = try TunDevice.create(
        name: configuration.device ?? "guise%d", queueCount: preflight.workers, mtu: preflight.mtu,
        transmitQueueLength: transmitQueueLength, offload: configuration.offload != .off)
    } catch {
      switch (error.operation, error.errno) {
      case (_, EPERM): throw .notPermitted
      case ("open(/dev/net/tun)", let errno): throw .noTunDevice(errno: errno)
      case (_, EBUSY): throw .deviceTaken(configuration.device ?? "guise%d")
      default: throw .kernelRefused(error)
      }
    }
    guard device.offload || configuration.offload != .on else {
      device.close()
      throw .offloadRefused
    }
    return device
  }

  // MARK: - Changes

  private mutating func bringUp(_ preflight: Preflight) throws(SetupError) {
    let planned = choice.mode == .off ? nil : try plannedRules()
    claim(planned, preflight)

    let disableIPv6 = "net/ipv6/conf/\(device.name)/disable_ipv6"
    if preflight.families.contains(.ipv6), sysctl.read(disableIPv6) == "1" {
      try sysctl.write(disableIPv6, "0")
    }
    try HostNetwork.configure(device: device.name, pairs: pairs)
    try enableForwarding(preflight.families)
    if let planned {
      try Firewall.install(planned)
      rules = planned
      warnAboutForwardChains()
    }
  }

  /// Records first, changes then: whoever cleans up must know of everything that may have happened.
  private mutating func claim(_ rules: FirewallRules?, _ preflight: Preflight) {
    guard let state else { return }
    let record = InstanceRecord(
      namespace: state.namespace.identity, processID: getpid(), device: device.name,
      firewallTable: rules.map { FirewallRules.table(of: $0.device) },
      remotes: preflight.configuration.role == .client ? preflight.remotes.map { "\($0)" } : nil,
      isStateless: rules?.isStateless)
    do throws(LockedFile.Failure) {
      instance = try state.claim(record)
    } catch {
      log.warning(
        "cannot record in \(state.path) what this process changes: nobody cleans up if it is killed")
    }
  }

  /// Switches forwarding on; recorded first where there is a state directory.
  private mutating func enableForwarding(_ families: Set<AddressFamily>) throws(SetupError) {
    let changes = Forwarding.changes(families, sysctl, device: device.name)
    guard !changes.isEmpty else { return }
    if let state, (try? state.addShared(changes)) != nil {
      try Forwarding.apply(changes, sysctl)
    } else {
      try Forwarding.apply(changes, sysctl)
      unrecorded = changes
    }
    let texts = changes.filter { $0.before != $0.after }
      .map { "\($0.name.replacing("/", with: "."))=\($0.after) (was \($0.before))" }
    log.info("forwarding: set \(texts.joined(separator: ", ")); put back at the end")
  }

  private func plannedRules() throws(SetupError) -> FirewallRules {
    var paths: [FirewallRules.Path] = []
    for pair in pairs {
      let translation = try choice.translation(pair.peer.family, device: device.name)
      paths.append(FirewallRules.Path(pair: pair, translation: translation))
    }
    let end: FirewallRules.End =
      switch choice.listen {
      case .udp: .client(remotes: choice.remotes)
      case .tcp(let address, let port): .server(address: address, port: port)
      }
    return FirewallRules(device: device.name, paths: paths, end: end)
  }

  /// Replaces the rules when an address that they name is no longer the host's.
  mutating func followAddresses() {
    guard var next = rules else { return }
    followOutlets(&next)
    install(next, because: "the host's addresses have changed")
  }

  /// Lets a client's rules name the servers by other addresses.
  mutating func follow(remotes: [Endpoint]) {
    choice.remotes = remotes
    guard var next = rules else { return }
    next.end = .client(remotes: remotes)
    followOutlets(&next)
    install(next, because: "a server's address has changed")
  }

  private func followOutlets(_ next: inout FirewallRules) {
    for index in next.paths.indices {
      guard let outlet = next.paths[index].outlet,
        let successor = choice.successor(
          of: outlet, device: device.name,
          neighbours: { [state, device] in state?.liveInstances(besides: device.name) ?? [] })
      else { continue }
      next.paths[index].translation = .stateless(successor)
    }
  }

  /// What is refused is logged.
  private mutating func install(_ next: FirewallRules, because reason: String) {
    guard next != rules else { return }
    do throws(SetupError) {
      try Firewall.install(next)
      log.notice("\(reason): \(next.summary)")
    } catch {
      log.warning("\(reason), and the rules cannot follow: \(error)")
    }
    // Not tried again for the same change.
    rules = next
  }

  private func warnAboutForwardChains() {
    for chain in (try? Firewall.droppingForwardChains()) ?? [] {
      let remedy = "let it accept what comes from and goes to \(device.name), or nothing will pass"
      log.warning("the chain '\(chain)' drops forwarded packets that no rule of its accepts: \(remedy)")
    }
  }

  // MARK: - The end

  /// Puts the host back as it was, once the gateway has stopped. What is refused is logged.
  mutating func undo() {
    _ = Preflight.deviceIsGone(device.name)
    do throws(SetupError) {
      try state?.withLock { undoLocked() }
    } catch {
      log.warning("\(error)")
    }
    undoLocked()
  }

  /// Under the directory's lock, where it can be had. Does nothing the second time.
  private mutating func undoLocked() {
    guard !isUndone else { return }
    isUndone = true
    if let table = rules.map({ FirewallRules.table(of: $0.device) }) {
      do throws(SetupError) {
        try Firewall.remove(table: table)
      } catch {
        log.warning("cannot remove the table inet \(table): \(error)")
      }
    }
    for error in Forwarding.undo(unrecorded, sysctl) { log.warning("\(error)") }
    if let state { Leftovers.putBackShared(state, sysctl, besides: device.name, log) }
    instance.take()?.remove()
  }
}
