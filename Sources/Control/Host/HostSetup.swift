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

  private(set) var device: TunDevice
  let pairs: [TunAddressPair]
  private(set) var firewall: HostFirewall

  /// Until it has begun.
  private var steering: QueueSteering?

  private let log: Logger
  private let sysctl = Sysctl()
  private let state: StateDirectory?
  private var instance: InstanceClaim?
  /// For the record: where flows are kept in the state directory.
  private let flowFile: String?
  /// What this process has changed of the host's sysctls, should the state directory be lost.
  private var changes: [SysctlChange] = []
  /// Whether all this is the predecessor's until `takeCharge`.
  private var isBorrowed: Bool
  /// Whether the firewall's rules are still the predecessor's.
  private var isIncomplete = false
  private var isUndone = false
  /// Whether the device lacks addresses that could not be put back, which is tried again and not complained about twice.
  private var hasLostAddresses = false

  /// Sets the host up, after cleaning up what dead instances left; or takes up what a predecessor has set up,
  /// to be followed by `takeCharge` and `complete`.
  static func apply(
    _ preflight: Preflight, _ state: StateDirectory?, _ predecessor: FlowStore.Predecessor?,
    flowFile: String?, _ log: Logger
  ) throws(SetupError) -> HostSetup {
    guard let state else {
      return try applyLocked(
        preflight, nil, predecessor?.header, flowFile, resumesTracked: predecessor?.tracks(nil) == true, log)
    }
    let end = state.flowFileName(of: preflight.configuration.listen)
    return try state.withLock { () throws(SetupError) in
      let onDevice = predecessor.flatMap { state.record(of: $0.header.device) }
      let record = onDevice.flatMap { predecessor?.hasMade($0, in: state) == true ? $0 : nil }
      let resumesTracked = predecessor?.tracks(record) == true
      if let predecessor {
        // Or another process's by now, which has come to the same name.
        let isItsOwn = onDevice == nil || record != nil
        if isItsOwn, var setup = join(preflight, state, predecessor, record, flowFile, log) {
          Leftovers.undo(state, Sysctl(), for: end, goingOnWith: setup.device.name, log)
          try setup.firewall.plan()
          return setup
        }
        guard !predecessor.isRunning else {
          throw .takeOverImpossible(
            process: predecessor.header.processID,
            reason: "it has another device or other addresses than are asked for")
        }
        if isItsOwn { removeDevice(of: predecessor.header) }
      }
      Leftovers.undo(state, Sysctl(), for: end, log)
      return try applyLocked(
        preflight, state, predecessor?.header, flowFile, resumesTracked: resumesTracked, log)
    }
  }

  private static func applyLocked(
    _ preflight: Preflight, _ state: StateDirectory?, _ predecessor: FlowFileHeader?, _ flowFile: String?,
    resumesTracked: Bool, _ log: Logger
  ) throws(SetupError) -> HostSetup {
    let configuration = preflight.configuration
    let taken = try HostNetwork.takenPrefixes(preflight.families)
    var pairs: [TunAddressPair] = []
    for family in AddressFamily.allCases where preflight.families.contains(family) {
      pairs.append(
        try choosePair(
          family, configuration, predecessor?.pair(family), taken + preflight.remotes.map(remotePrefix), log))
    }
    let device = try makeDevice(preflight)
    var setup = HostSetup(
      preflight, device: device, pairs: pairs, predecessor: nil, resumesTracked: resumesTracked, state, log,
      flowFile: flowFile, isBorrowed: false)
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
    _ preflight: Preflight, device: TunDevice, pairs: [TunAddressPair], predecessor: InstanceRecord?,
    resumesTracked: Bool, keepsPorts: Bool = false, _ state: StateDirectory?, _ log: Logger,
    flowFile: String?, isBorrowed: Bool
  ) {
    firewall = HostFirewall(
      device: device.name, pairs: pairs, preflight, predecessor: predecessor, resumesTracked: resumesTracked,
      keepsPorts: keepsPorts, state, log)
    self.flowFile = flowFile
    self.isBorrowed = isBorrowed
    self.device = device
    self.pairs = pairs
    self.log = log
    self.state = state
  }

  // MARK: - What a predecessor has set up

  /// Takes queues of the predecessor's device, if device and addresses are there and are what is asked for.
  private static func join(
    _ preflight: Preflight, _ state: StateDirectory, _ predecessor: FlowStore.Predecessor,
    _ record: InstanceRecord?, _ flowFile: String?, _ log: Logger
  ) -> HostSetup? {
    let configuration = preflight.configuration
    let (header, isRunning) = (predecessor.header, predecessor.isRunning)
    guard configuration.mayHave(device: header.device) else { return nil }
    var pairs: [TunAddressPair] = []
    for family in AddressFamily.allCases {
      let pair = header.pair(family)
      guard preflight.families.contains(family) == (pair != nil) else { return nil }
      guard let pair else { continue }
      let request = family == .ipv4 ? configuration.tunIPv4 : configuration.tunIPv6
      let outlet = Outlet(device: header.device, address: pair.local)
      guard request.isMet(by: pair), LocalAddresses.has(outlet) else {
        return nil
      }
      pairs.append(pair)
    }
    guard
      let device = try? TunDevice.join(
        name: header.device, queueCount: preflight.workers, offload: configuration.offload != .off)
    else { return nil }
    return HostSetup(
      preflight, device: device, pairs: pairs, predecessor: record,
      resumesTracked: predecessor.tracks(record),
      keepsPorts: isRunning && record?.isStateless == true && record?.processID == header.processID,
      state, log, flowFile: flowFile, isBorrowed: true)
  }

  /// Removes a device that is of no use to the dead predecessor's successor.
  private static func removeDevice(of predecessor: FlowFileHeader) {
    guard unsafe if_nametoindex(predecessor.device) != 0 else { return }
    try? TunDevice.removeKept(name: predecessor.device)
    _ = Preflight.deviceIsGone(predecessor.device)
  }

  /// What the predecessor had set up is ours from now on: it is gone.
  mutating func takeCharge(_ preflight: Preflight) throws(SetupError) {
    guard isBorrowed else { return }
    isBorrowed = false
    isIncomplete = true
    do throws(KernelError) { try device.enter(mtu: preflight.mtu) } catch { throw .kernelRefused(error) }
    guard device.offload || preflight.configuration.offload != .on else { throw .offloadRefused }
    firewall.takeUp()
    claim(preflight)
    try enableForwarding(preflight.families)
  }

  /// Makes sure of what takes time and is most likely as it should be. What is refused is logged.
  mutating func complete(_ preflight: Preflight) {
    guard isIncomplete else { return }
    isIncomplete = false
    do throws(SetupError) {
      try firewall.install()
    } catch {
      log.warning("cannot renew the firewall's rules: \(error)")
    }
    // Whoever ended just before our record was there may have switched it off.
    guard !Forwarding.changes(preflight.families, sysctl, device: device.name).isEmpty else { return }
    do throws(SetupError) {
      try state?.withLock { () throws(SetupError) in try enableForwarding(preflight.families) }
    } catch {
      log.warning("\(error)")
    }
  }

  /// Has packets come to the worker that owns their flow. Where that is refused, they come as the kernel has it, and
  /// workers pass on what is another's.
  mutating func steer(to owners: FlowOwners) {
    // A predecessor's program knows its own workers.
    try? device.steer(by: nil)
    guard owners.workerCount > 1 else { return }
    do throws(KernelError) {
      steering = try QueueSteering(device, owners)
    } catch {
      noteUnsteered(error)
    }
    followQueues()
  }

  /// Goes on with that once a predecessor's queues are gone.
  mutating func followQueues() {
    do throws(KernelError) {
      guard try steering?.begin() == true else { return }
      steering = nil
      log.info("\(device.name): a program gives packets to the worker that their flow belongs to")
    } catch {
      noteUnsteered(error)
    }
  }

  private mutating func noteUnsteered(_ error: KernelError) {
    steering = nil
    log.notice(
      """
      with more than 4096 flows, workers will pass on to each other what comes to the wrong one, since the kernel \
      refuses a program that would give it to the right one \(BPFKernel.reason(error))
      """)
  }

  /// Where this instance answers questions; nil where there is no state directory.
  var controlSocket: String? { state?.controlSocket(of: device.name) }

  /// Lets the device outlive a process that is killed, for the next one.
  func keepDevice() {
    do throws(KernelError) {
      try device.keep(true)
    } catch {
      log.warning("flows will not outlive this process: \(error)")
    }
  }

  /// Leaves everything to the process that goes on.
  mutating func leave() {
    isUndone = true
    instance = nil
  }

  // MARK: - Changes

  private mutating func bringUp(_ preflight: Preflight) throws(SetupError) {
    try firewall.plan()
    claim(preflight)

    let disableIPv6 = "net/ipv6/conf/\(device.name)/disable_ipv6"
    if preflight.families.contains(.ipv6), sysctl.read(disableIPv6) == "1" {
      try sysctl.write(disableIPv6, "0")
    }
    try HostNetwork.configure(device: device.name, pairs: pairs)
    try enableForwarding(preflight.families)
    try forward(preflight.families)
    try firewall.install()
  }

  /// Takes the device into forwarding, where the host leaves new ones out of it ('net.ipv4.conf.default.forwarding').
  private func forward(_ families: Set<AddressFamily>) throws(SetupError) {
    for family in families {
      let name = "net/\(family == .ipv4 ? "ipv4" : "ipv6")/conf/\(device.name)/forwarding"
      if sysctl.read(name) == "0" { try sysctl.write(name, "1") }
    }
  }

  /// Records first, changes then: whoever cleans up must know of everything that may have happened.
  private mutating func claim(_ preflight: Preflight) {
    guard let state else { return }
    let configuration = preflight.configuration
    if let serves = configuration.listenPort { warnOfOthers(serves, isKnown: configuration.flowFile != .off) }
    let record = InstanceRecord(
      preflight, device: device.name, firewall.rules, outlets: firewall.outletDevices, flowFile: flowFile,
      in: state.namespace)
    do throws(LockedFile.Failure) {
      instance = try InstanceClaim(record, in: state)
      // That of a predecessor of another user, as long as this process may remove it.
      unsafe unlink(state.controlSocket(of: device.name))
    } catch {
      log.warning(
        "cannot record in \(state.path) what this process changes: nobody cleans up if it is killed")
    }
  }

  /// `isKnown`: whether one with the very same port has been warned of by its flow file.
  private func warnOfOthers(_ serves: ListenPort, isKnown: Bool) {
    for other in state?.liveInstances(besides: device.name) ?? []
    where other.overlaps(serves) && !(isKnown && other.serves == "\(serves)") {
      log.warning(
        """
        process \(other.processID) serves TCP \(other.serves ?? "") as well (device \(other.device)): flows to \
        what both have go to one of them
        """)
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
    }
    self.changes += changes
    let texts = changes.filter { $0.before != $0.after }
      .map { "\($0.name.replacing("/", with: "."))=\($0.after) (was \($0.before))" }
    log.info("forwarding: set \(texts.joined(separator: ", ")); put back at the end")
  }

  // MARK: - The firewall

  mutating func followAddresses() {
    restoreAddresses()
    firewall.followAddresses()
    renewRecord()
  }

  /// The kernel takes IPv6 addresses from a device that goes down (`addrconf_ifdown` in net/ipv6/addrconf.c): once it is
  /// up again, they are put back.
  private mutating func restoreAddresses() {
    guard !isBorrowed, LocalAddresses.isUp(device.name) else { return }
    let missing = pairs.filter { !LocalAddresses.has(Outlet(device: device.name, address: $0.local)) }
    guard !missing.isEmpty else {
      hasLostAddresses = false
      return
    }
    do throws(SetupError) {
      try HostNetwork.add(missing, to: device.name)
      let list = missing.map { "\($0.local)" }.joined(separator: ", ")
      log.warning("\(device.name) had lost \(list), as when it is taken down and up again: restored")
    } catch {
      if !hasLostAddresses {
        log.warning("\(device.name) has lost addresses that cannot be restored: \(error)")
      }
      hasLostAddresses = true
    }
  }

  /// Whoever cleans up must know of every device that a program was attached to, and other clients of the same server
  /// of how its answers are told apart.
  private mutating func renewRecord(remotes: [Endpoint]? = nil) {
    guard let state else { return }
    do throws(LockedFile.Failure) {
      try instance?.renew(
        outlets: firewall.outletDevices, isStateless: firewall.rules?.isStateless, remotes: remotes)
    } catch {
      log.warning("cannot record in \(state.path) what this process changes: \(error.text)")
    }
  }

  /// On record first: of two clients that come to the same server at once, one at least finds the other there.
  mutating func follow(remotes: [Endpoint]) {
    renewRecord(remotes: remotes)
    firewall.follow(remotes: remotes)
    renewRecord()
  }

  /// Puts the rules back where somebody else has changed them, once they are ours.
  mutating func restoreRules() {
    if !isBorrowed, !isIncomplete { firewall.restore() }
  }

  // MARK: - The end

  /// Puts the host back as it was, once the gateway has stopped. What is refused is logged.
  mutating func undo() {
    guard !isBorrowed, !isUndone else { return }
    // Where no gateway came to be that would have removed it.
    if unsafe if_nametoindex(device.name) != 0 { try? TunDevice.removeKept(name: device.name) }
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
    firewall.remove()
    // Where no record could be claimed, that of the device is another's.
    let own = instance == nil ? nil : device.name
    let isLast = state?.hasLiveInstance(besides: own) != true
    if let state { Leftovers.putBackShared(state, sysctl, besides: own, log) }
    if isLast {
      for error in Forwarding.undo(changes, sysctl) { log.warning("\(error)") }
    }
    instance.take()?.remove()
  }
}
