internal import CLiburing
internal import DataPlane
internal import Glibc

/// One family's programs at tc, between the TUN device and the one that packets leave and enter the host by.
///
/// Links hold the programs to the devices (BPF_PROG_TYPE_SCHED_CLS at BPF_TCX_INGRESS, Linux 6.6), and the kernel ends
/// them with the process, however that ends. Programs of others that are there see packets first.
final class Translator {
  /// The device that packets leave and enter the host by.
  let outletDevice: String
  private(set) var task: TranslatorTask?
  private var memory: TranslatorMemory
  /// Programs and links.
  private var descriptors: [Int32] = []
  private let deviceIndex: UInt32
  private let outletIndex: UInt32

  /// Loads and attaches the programs, which do nothing yet. Throws what kept the kernel from it: EPERM without
  /// CAP_BPF, EINVAL where it has no such links.
  init(
    _ family: AddressFamily, _ role: Role, device: String, outletDevice: String, isMarked: Bool
  ) throws(KernelError) {
    memory = try TranslatorMemory()
    self.outletDevice = outletDevice
    deviceIndex = unsafe if_nametoindex(device)
    outletIndex = unsafe if_nametoindex(outletDevice)
    let outward = TranslatorProgram.outward(family, memory: memory.descriptor, isMarked: isMarked)
    let inward = TranslatorProgram.inward(
      family, memory: memory.descriptor, checksSource: role == .client, isMarked: isMarked)
    try attach(outward, "guise_outward", to: deviceIndex)
    try attach(inward, "guise_inward", to: outletIndex)
  }

  deinit { for descriptor in descriptors { close(descriptor) } }

  private func attach(_ code: [bpf_insn], _ name: String, to index: UInt32) throws(KernelError) {
    let program = try Self.load(code, name)
    descriptors.append(program)
    descriptors.append(
      try KernelError.check("bpf(BPF_LINK_CREATE, BPF_TCX_INGRESS)", guise_bpf_attach_ingress(program, index)))
  }

  /// Whether the kernel can look up routes for packets with a mark, from a program (Linux 6.10).
  static func canMark() throws(KernelError) -> Bool {
    let program = try load(TranslatorProgram.routeProbe(), "guise_probe")
    defer { close(program) }
    let packet = [UInt8](repeating: 0, count: 64)
    var room: UInt32 = 64
    var out = packet
    let answer = unsafe guise_bpf_try(program, packet, UInt32(packet.count), &out, &room)
    return answer == -EAFNOSUPPORT
  }

  /// Has the kernel verify a program, and gives its descriptor.
  static func load(_ code: [bpf_insn], _ name: String) throws(KernelError) -> Int32 {
    // Some of the helpers are for programs that are under the GPL as well.
    let license = "Dual MIT/GPL"
    return try KernelError.check(
      "bpf(BPF_PROG_LOAD)", unsafe guise_bpf_load(code, UInt32(code.count), license, name, nil, 0))
  }

  /// Translates from now on.
  func translate(
    _ pair: TunAddressPair, as outer: Address, remotes: [Endpoint], ports: ClosedRange<UInt16>, mtu: Int,
    mark: UInt32?
  ) {
    let next = TranslatorTask(
      inner: pair.peer, outer: outer, remotes: remotes.filter { $0.address.family == outer.family },
      ports: ports, outletIndex: outletIndex, deviceIndex: deviceIndex, mtu: mtu, mark: mark ?? 0)
    guard next != task else { return }
    task = next
    memory.set(next)
  }

  /// Leaves all packets to the kernel, and so to rules.
  func stop() {
    guard task != nil else { return }
    task = nil
    memory.set(nil)
  }

  /// Packets translated until now in both directions; a train counts as one.
  var packets: UInt64 { memory[.outward] &+ memory[.inward] }
  /// Packets dropped, since they would have left by another device.
  var strays: UInt64 { memory[.stray] }
}
