internal import DataPlane
internal import Glibc

/// The filters that see what comes in by a device (tc-bpf(8), of the queueing discipline `clsact`), and programs of ours
/// among them, each by its name.
struct IngressFilters {
  /// The interface index.
  let device: UInt32

  // linux/pkt_sched.h, linux/pkt_cls.h.
  private static let clsact: UInt32 = 0xffff_fff1
  private static let clsactHandle: UInt32 = 0xffff_0000
  private static let (ingress, egress): (UInt32, UInt32) = (0xffff_fff2, 0xffff_fff3)
  private enum Attribute {
    static let (kind, options): (UInt16, UInt16) = (1, 2)
    static let (descriptor, name, flags): (UInt16, UInt16, UInt16) = (6, 7, 8)
  }
  /// What a program returns decides (TCA_BPF_FLAG_ACT_DIRECT).
  private static let directAction: UInt32 = 1

  /// Behind all filters that others let the kernel number. It also says whose the queueing discipline is, so that whoever
  /// takes the filter away knows, if it is another process, too.
  private enum Priority: UInt32 {
    /// One of guise has made it.
    case own = 0xc100
    /// It was there before.
    case guest = 0xc101

    /// With ETH_P_ALL.
    var info: UInt32 { rawValue << 16 | UInt32(UInt16(3).bigEndian) }
  }
  /// How the names of guise's programs begin.
  private static let prefix = "guise"

  private struct Filter {
    let handle: UInt32
    /// nil for a filter that is none of guise's.
    let own: (name: String, priority: Priority)?
  }

  private func filters(_ parent: UInt32) throws(KernelError) -> [Filter] {
    let request = RouteMessage(.getFilter, .dump, interfaceIndex: device, parent: parent)
    let answers: [RouteMessage]
    do throws(KernelError) {
      answers = try request.exchanged("RTM_GETTFILTER")
    } catch {
      // No such queueing discipline, and so no filters.
      guard error.errno == EINVAL || error.errno == ENOENT else { throw error }
      return []
    }
    return answers.compactMap { answer in
      // One without a handle is the list that all of a priority are in.
      guard answer.kind == RouteMessage.Kind.newFilter.rawValue, answer.handle != 0 else { return nil }
      let options = answer.attributes[Attribute.options].map(RouteMessage.attributes)
      let name = options?[Attribute.name].map { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      let own = name.flatMap { name in
        Priority(rawValue: answer.info >> 16).flatMap { name.hasPrefix(Self.prefix) ? (name, $0) : nil }
      }
      return Filter(handle: answer.handle, own: own)
    }
  }

  /// Whether others have filters here.
  func hasForeign() throws(KernelError) -> Bool { try filters(Self.ingress).contains { $0.own == nil } }

  /// Of guise's programs here.
  func ownNames() throws(KernelError) -> [String] { try filters(Self.ingress).compactMap { $0.own?.name } }

  func has(_ name: String) throws(KernelError) -> Bool {
    try filters(Self.ingress).contains { $0.own?.name == name }
  }

  /// Lets a program see what comes in, in the place of one with the same name. It stays until it is detached, or the
  /// device goes. `ownedClsact`: one of guise had made the queueing discipline, whatever filters it has now. Whether that
  /// is so afterwards.
  ///
  /// Where the filter is refused, nothing is left.
  func attach(_ program: Int32, _ name: String, ownedClsact: Bool) throws(KernelError) -> Bool {
    let isNew = try makeClsact()
    do throws(KernelError) {
      let present = try filters(Self.ingress)
      let former = present.first { $0.own?.name == name }
      let known = former?.own?.priority ?? present.lazy.compactMap { $0.own?.priority }.first
      let priority = known ?? (isNew || ownedClsact ? .own : .guest)
      try add(program, name, insteadOf: former?.handle ?? 0, priority)
      return priority == .own
    } catch {
      if isNew { try? removeClsact() }
      throw error
    }
  }

  private func add(
    _ program: Int32, _ name: String, insteadOf handle: UInt32, _ priority: Priority
  ) throws(KernelError) {
    var request = RouteMessage(
      .newFilter, [.acknowledge, .create], interfaceIndex: device, handle: handle, parent: Self.ingress,
      info: priority.info)
    request.add(Attribute.kind, "bpf")
    request.add(Attribute.options) { options in
      options.add(Attribute.descriptor, UInt32(program))
      options.add(Attribute.name, name)
      options.add(Attribute.flags, Self.directAction)
    }
    _ = try request.exchanged("RTM_NEWTFILTER of \(name)")
  }

  /// Whether there was none.
  private func makeClsact() throws(KernelError) -> Bool {
    var request = RouteMessage(
      .newQueueingDiscipline, [.acknowledge, .create, .exclusive], interfaceIndex: device,
      handle: Self.clsactHandle, parent: Self.clsact)
    request.add(Attribute.kind, "clsact")
    do throws(KernelError) {
      _ = try request.exchanged("RTM_NEWQDISC of clsact")
      return true
    } catch {
      guard error.errno == EEXIST else { throw error }
      return false
    }
  }

  /// Undoes that, and takes the queueing discipline away, unless it was there before or there are other filters.
  func detach(_ name: String) throws(KernelError) {
    let present = try filters(Self.ingress)
    guard let filter = present.first(where: { $0.own?.name == name }), let own = filter.own else { return }
    var request = RouteMessage(
      .deleteFilter, .acknowledge, interfaceIndex: device, handle: filter.handle, parent: Self.ingress,
      info: own.priority.info)
    request.add(Attribute.kind, "bpf")
    _ = try request.exchanged("RTM_DELTFILTER of \(name)")
    guard own.priority == .own, present.count == 1, try filters(Self.egress).isEmpty else { return }
    try removeClsact()
  }

  private func removeClsact() throws(KernelError) {
    let request = RouteMessage(
      .deleteQueueingDiscipline, .acknowledge, interfaceIndex: device, handle: Self.clsactHandle,
      parent: Self.clsact)
    _ = try request.exchanged("RTM_DELQDISC of clsact")
  }
}
