internal import CLiburing
internal import DataPlane
internal import Glibc

/// A gateway's programs at tc: one at its TUN device, one at each device that packets leave and enter the host by.
///
/// Links hold the programs to the devices (BPF_PROG_TYPE_SCHED_CLS at BPF_TCX_INGRESS, Linux 6.6), and the kernel ends
/// them with the process, however that ends. Programs of others that are there see packets first. Each link takes the
/// kernel some 15 ms to make, and to end (`tcx_entry_sync`).
final class Translator {
  /// Larger packets get no room for a link-layer header (`bpf_skb_change_head`: SKB_MAX_ALLOC).
  static let mtuMax = 16_000

  private let programs: TranslatorPrograms
  private let deviceIndex: UInt32
  private var links: [Int32] = []
  /// The indexes of devices that packets come in by, by name.
  private var outlets: [String: UInt32] = [:]
  private var tasks: [AddressFamily: TranslatorTask] = [:]

  /// Loads the programs and attaches one to the TUN device; it does nothing yet. Throws what kept the kernel from it:
  /// EPERM without CAP_BPF, EINVAL where it has no such links.
  init(_ role: Role, device: String, isMarked: Bool) throws(KernelError) {
    programs = try TranslatorPrograms(role, isMarked: isMarked)
    deviceIndex = unsafe if_nametoindex(device)
    try attach(programs.outward, to: deviceIndex)
  }

  deinit { for link in links { close(link) } }

  /// Attaches the other one to a device that packets may come in by.
  func attach(to outlet: String) throws(KernelError) {
    guard outlets[outlet] == nil else { return }
    let index = unsafe if_nametoindex(outlet)
    try attach(programs.inward, to: index)
    outlets[outlet] = index
  }

  private func attach(_ program: Int32, to index: UInt32) throws(KernelError) {
    links.append(
      try KernelError.check("bpf(BPF_LINK_CREATE, BPF_TCX_INGRESS)", guise_bpf_attach_ingress(program, index)))
  }

  /// Translates a family's packets from now on, between our end and `outlet`, to whose device a program is attached.
  func translate(
    _ pair: TunAddressPair, by outlet: Outlet, remotes: [Endpoint], ports: ClosedRange<UInt16>, mtu: Int,
    mark: UInt32?, leavesOthersAlone: Bool
  ) {
    let family = pair.peer.family
    let next = TranslatorTask(
      inner: pair.peer, outer: outlet.address, remotes: remotes.filter { $0.address.family == family },
      ports: ports, outletIndex: outlet.device.flatMap { outlets[$0] } ?? 0, deviceIndex: deviceIndex, mtu: mtu,
      mark: mark ?? 0, leavesOthersAlone: leavesOthersAlone)
    guard next != tasks[family] else { return }
    tasks[family] = next
    programs.set(next, family)
  }

  /// Leaves all packets of a family to the kernel, and so to rules.
  func stop(_ family: AddressFamily) {
    if tasks.removeValue(forKey: family) != nil { programs.set(nil, family) }
  }

  /// Whether packets no longer leave by a device that a program is attached to: another one has its name, or, at a
  /// client, one without a program has taken its place in a route.
  func isPassedBy(at outlet: String) -> Bool {
    let index = unsafe if_nametoindex(outlet)
    return index != outlets[outlet] && index != 0 || strays > 0 && !tasks.values.allSatisfy(\.remotes.isEmpty)
  }

  /// Packets translated until now in both directions; a train counts as one.
  var packets: UInt64 { programs[.outward] &+ programs[.inward] }
  /// Packets dropped, since they would have left by another device.
  var strays: UInt64 { programs[.stray] }
}
