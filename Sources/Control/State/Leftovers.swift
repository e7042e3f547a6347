internal import DataPlane
internal import Glibc
internal import Logging

/// What instances left on the host that were killed before they could clean up.
enum Leftovers {
  /// Undoes it all, under the directory's lock; what is refused is logged, and the rest goes on.
  ///
  /// Sysctls are put back only when no instance lives that may need them. Devices go with their process, if
  /// not at once: they are waited for, so that the next instance finds the same addresses free. With others,
  /// what conntrack remembers of flows through the dead one would lead to where nobody is any more.
  ///
  /// Who starts tells its `end` by the name of its flow file: dead instances of other ends whose flows may still
  /// be gone on with are left alone, as is the one whose device it goes on with.
  static func undo(
    _ state: StateDirectory, _ sysctl: Sysctl, for end: String? = nil, goingOnWith device: String? = nil,
    _ log: Logger
  ) {
    state.reapDeadInstances { record in
      if record.device == device { return false }
      if end == nil || record.flowFile != end, state.isBeingTakenOver(record) { return false }
      if let end, record.flowFile != end, state.hasFlows(record) { return false }
      return undo(record, keepsFlows: end != nil && record.flowFile == end, state, log)
    }
    if end == nil {
      for name in state.removeUnclaimedFlows() {
        log.notice("removed the flows of a process that has gone: \(name)")
      }
    }
    putBackShared(state, sysctl, besides: nil, log)
  }

  /// Undoes what one process left that this one had started and that nobody will follow: with its flows.
  static func undo(of process: pid_t, _ log: Logger) {
    guard let state = try? StateDirectory(namespace: .current()) else { return }
    do throws(SetupError) {
      try state.withLock {
        state.reapDeadInstances { record in
          guard record.processID == process, !state.isBeingTakenOver(record) else { return false }
          return undo(record, keepsFlows: false, state, log)
        }
        putBackShared(state, Sysctl(), besides: nil, log)
      }
    } catch {
      log.warning("\(error)")
    }
  }

  /// Takes away what is left of processes whose records are lost, as where `/run` was emptied: devices that no process has,
  /// programs and tables, known by their names. What they changed of sysctls nobody knows any more.
  ///
  /// A table alone says nothing: an operator may have called his own so.
  static func undoUnrecorded(_ state: StateDirectory, _ log: Logger) {
    let recorded = Set(state.devices)
    let devices = Set(LocalAddresses.devices)
    var places: [String: [String]] = [:]
    for place in devices {
      for owner in Translator.owners(at: place) { places[owner, default: []].append(place) }
    }
    let left = devices.filter(TunDevice.isForsaken).union(places.keys.filter { !devices.contains($0) })
      .filter {
        !recorded.contains($0) && (places[$0] != nil || Firewall.has(table: FirewallRules.table(of: $0)))
      }
    for device in left.sorted() {
      log.notice("cleaning up what a process left that is on record no more: device \(device)")
      if devices.contains(device) { try? TunDevice.removeKept(name: device) }
      Translator.detach(device: device, outlets: places[device] ?? [])
      do throws(SetupError) {
        try Firewall.remove(table: FirewallRules.table(of: device))
      } catch {
        log.warning("cannot remove the table \(FirewallRules.table(of: device)): \(error)")
      }
    }
  }

  /// Whether nothing is left of it.
  private static func undo(
    _ record: InstanceRecord, keepsFlows: Bool, _ state: StateDirectory, _ log: Logger
  ) -> Bool {
    let tunnel = record.tunnel.map { " (tunnel \($0))" } ?? ""
    log.notice(
      "cleaning up after process \(record.processID)\(tunnel), which could not: device \(record.device)")
    // Kept for a successor, which it did not get.
    if unsafe if_nametoindex(record.device) != 0 { try? TunDevice.removeKept(name: record.device) }
    if !Preflight.deviceIsGone(record.device) {
      log.warning("the device \(record.device) of the dead process \(record.processID) is still there")
    }
    if !keepsFlows { state.removeFlows(of: record) }
    Translator.detach(device: record.device, outlets: record.outlets ?? [])
    guard let table = record.firewallTable else { return true }
    do throws(SetupError) {
      try Firewall.remove(table: table)
      return true
    } catch {
      log.warning("cannot remove the table \(table): \(error)")
      return false
    }
  }

  /// Puts the shared sysctls back, unless an instance other than `own` lives.
  static func putBackShared(_ state: StateDirectory, _ sysctl: Sysctl, besides own: String?, _ log: Logger) {
    guard !state.hasLiveInstance(besides: own) else { return }
    for error in Forwarding.undo(state.shared(), sysctl) { log.warning("\(error)") }
    state.removeShared()
  }
}
