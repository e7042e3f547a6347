internal import DataPlane
internal import Glibc

/// A gateway's programs at tc: one at its TUN device, one at each device that packets leave and enter the host by, each
/// as the last filter there (tc-bpf(8), `clsact`).
///
/// They outlive the process, as device and rules do, until the next one puts its own in their place or takes them away.
/// All but loading them needs CAP_NET_ADMIN alone (rtnetlink(7)).
final class Translator {
  /// Larger packets get no room for a link-layer header (`bpf_skb_change_head`: SKB_MAX_ALLOC).
  static let mtuMax = 16_000

  private let device: String
  private let programs: TranslatorPrograms
  /// The device of each family's packets.
  private var outlets: [AddressFamily: String] = [:]
  /// Where filters were made, and whether the queueing discipline there is guise's.
  private var filters: [Filter: (index: UInt32, ownsClsact: Bool)] = [:]
  private var straysSeen: UInt64 = 0

  private enum Direction: String { case outward, inward }

  private struct Filter: Hashable {
    let device: String
    let direction: Direction
  }

  /// Loads the programs. Throws what kept the kernel from it: EPERM without CAP_BPF.
  init(_ role: Role, device: String, isMarked: Bool) throws(KernelError) {
    programs = try TranslatorPrograms(role, isMarked: isMarked)
    self.device = device
  }

  // MARK: - What is translated

  /// Translates a family's packets between our end and `outlet` from now on, where programs are attached.
  func translate(
    _ pair: TunAddressPair, by outlet: Outlet, others: [Outlet], remotes: [Endpoint],
    ports: ClosedRange<UInt16>, mark: UInt32?
  ) {
    guard let outletDevice = outlet.device else { return }
    let family = pair.peer.family
    let index = unsafe if_nametoindex(outletDevice)
    // A device that has gone may come back.
    guard index != 0 else { return }
    let next = TranslatorTask(
      inner: pair.peer, outer: outlet.address, remotes: remotes.filter { $0.address.family == family },
      ports: ports, outletIndex: index, deviceIndex: unsafe if_nametoindex(device), mark: mark ?? 0,
      otherIndexes: others.compactMap(\.device).map { unsafe if_nametoindex($0) }.filter { $0 != 0 })
    programs.set(next, family)
    outlets[family] = outletDevice
  }

  /// Has programs see all that they translate. For what is said of every family: those of a predecessor, in whose place
  /// they come, translate all that it did.
  func attach() throws(KernelError) {
    for outletDevice in Set(outlets.values) where unsafe if_nametoindex(outletDevice) != 0 {
      try attach(programs.outward, Filter(device: device, direction: .outward))
      try attach(programs.inward, Filter(device: outletDevice, direction: .inward))
    }
    detachUnused()
  }

  /// Leaves all packets of a family to the kernel, and so to rules.
  func stop(_ family: AddressFamily) {
    guard outlets.removeValue(forKey: family) != nil else { return }
    programs.set(nil, family)
    detachUnused()
  }

  /// Whether packets were dropped since this was last asked, as they would have left by another device.
  func hasNewStrays() -> Bool {
    let strays = strays
    defer { straysSeen = strays }
    return strays != straysSeen
  }

  /// Packets translated until now in both directions; a train counts as one.
  var packets: UInt64 { programs[.outward] &+ programs[.inward] }
  /// Packets dropped, since they would have left by another device.
  var strays: UInt64 { programs[.stray] }

  // MARK: - Filters

  private static func name(_ direction: Direction, _ device: String) -> String {
    "guise_\(direction.rawValue)_\(device)"
  }

  /// The TUN devices whose gateways have programs for what comes in at a device; none where nobody can tell.
  static func owners(at place: String) -> [String] {
    let prefix = name(.inward, "")
    let names = (try? IngressFilters(device: unsafe if_nametoindex(place)).ownNames()) ?? []
    return names.filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
      .filter { GatewayConfiguration.isDeviceName($0) }
  }

  private func attach(_ program: Int32, _ filter: Filter, ownedClsact: Bool = false) throws(KernelError) {
    let index = unsafe if_nametoindex(filter.device)
    guard filters[filter]?.index != index else { return }
    let ownsClsact = try IngressFilters(device: index).attach(
      program, Self.name(filter.direction, device), ownedClsact: ownedClsact)
    filters[filter] = (index, ownsClsact)
  }

  private func detachUnused() {
    for filter in filters.keys where filter.direction == .inward && !outlets.values.contains(filter.device) {
      detach(filter)
    }
  }

  /// What is refused is passed over: the device takes its filters with it.
  private func detach(_ filter: Filter) {
    guard let place = filters.removeValue(forKey: filter) else { return }
    try? IngressFilters(device: place.index).detach(Self.name(filter.direction, device))
  }

  /// Whether a filter is there, or nobody can tell.
  private func isInPlace(_ filter: Filter, at index: UInt32) -> Bool {
    (try? IngressFilters(device: index).has(Self.name(filter.direction, device))) != false
  }

  /// Whether all filters are there.
  var isInPlace: Bool { filters.allSatisfy { isInPlace($0, at: $1.index) } }

  /// Attaches programs again where somebody has taken them away; whether that was so. A device that has gone takes
  /// its filters with it.
  func restoreFilters() throws(KernelError) -> Bool {
    var isRestored = false
    for (filter, place) in filters
    where unsafe if_nametoindex(filter.device) == place.index && !isInPlace(filter, at: place.index) {
      filters[filter] = nil
      try attach(
        filter.direction == .outward ? programs.outward : programs.inward, filter,
        ownedClsact: place.ownsClsact)
      isRestored = true
    }
    return isRestored
  }

  /// Takes all filters away.
  func detach() {
    for family in AddressFamily.allCases { stop(family) }
    for filter in filters.keys { detach(filter) }
  }

  /// Takes away what another process has left at these devices, and at its TUN device if that is `ownAsWell`.
  ///
  /// There first: connection tracking that has seen a packet come in, and not what went out after it, calls the next one
  /// invalid, which acknowledges that. What goes out before anything came in, rules drop, and it is not remembered.
  static func detach(device: String, outlets: [String], ownAsWell: Bool = false) {
    let places = (ownAsWell ? [(device, Direction.outward)] : []) + outlets.map { ($0, Direction.inward) }
    for (place, direction) in places {
      let index = unsafe if_nametoindex(place)
      if index != 0 {
        try? IngressFilters(device: index).detach(name(direction, device))
      }
    }
  }
}
