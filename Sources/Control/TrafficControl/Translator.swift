internal import CLiburing
internal import DataPlane
internal import Glibc

/// One family's programs at tc, between the TUN device and the one that packets leave and enter the host by.
///
/// Links hold the programs to the devices (BPF_PROG_TYPE_SCHED_CLS at BPF_TCX_INGRESS, Linux 6.6), and the kernel ends
/// them with the process, however that ends. Programs of others that are there see packets first.
final class Translator {
  /// Larger packets get no room for a link-layer header (`bpf_skb_change_head`: SKB_MAX_ALLOC).
  static let mtuMax = 16_000

  /// The device that packets leave and enter the host by.
  let outletDevice: String
  private var task: TranslatorTask?
  private let programs: TranslatorPrograms
  private var links: [Int32] = []
  private let deviceIndex: UInt32
  private let outletIndex: UInt32

  /// Loads and attaches the programs, which do nothing yet. Throws what kept the kernel from it: EPERM without
  /// CAP_BPF, EINVAL where it has no such links.
  init(
    _ family: AddressFamily, _ role: Role, device: String, outletDevice: String, isMarked: Bool
  ) throws(KernelError) {
    programs = try TranslatorPrograms(family, role, isMarked: isMarked)
    self.outletDevice = outletDevice
    deviceIndex = unsafe if_nametoindex(device)
    outletIndex = unsafe if_nametoindex(outletDevice)
    for (program, index) in [(programs.outward, deviceIndex), (programs.inward, outletIndex)] {
      links.append(
        try KernelError.check(
          "bpf(BPF_LINK_CREATE, BPF_TCX_INGRESS)", guise_bpf_attach_ingress(program, index)))
    }
  }

  deinit { for link in links { close(link) } }

  /// Translates from now on.
  func translate(
    _ pair: TunAddressPair, as outer: Address, remotes: [Endpoint], ports: ClosedRange<UInt16>, mtu: Int,
    mark: UInt32?, leavesOthersAlone: Bool
  ) {
    let next = TranslatorTask(
      inner: pair.peer, outer: outer, remotes: remotes.filter { $0.address.family == outer.family },
      ports: ports, outletIndex: outletIndex, deviceIndex: deviceIndex, mtu: mtu, mark: mark ?? 0,
      leavesOthersAlone: leavesOthersAlone)
    guard next != task else { return }
    task = next
    programs.set(next)
  }

  /// Leaves all packets to the kernel, and so to rules.
  func stop() {
    guard task != nil else { return }
    task = nil
    programs.set(nil)
  }

  /// Whether packets no longer leave by the device that the programs are attached to: another one has its name, or one
  /// that they are not attached to has taken its place in a route.
  var isPassedBy: Bool {
    let index = unsafe if_nametoindex(outletDevice)
    return index != outletIndex && index != 0 || strays > 0 && task?.remotes.isEmpty == false
  }

  /// Packets translated until now in both directions; a train counts as one.
  var packets: UInt64 { programs[.outward] &+ programs[.inward] }
  /// Packets dropped, since they would have left by another device.
  var strays: UInt64 { programs[.stray] }
}
