internal import DataPlane
internal import Glibc

/// Has the kernel put packets into the queue of the worker that their flow belongs to.
///
/// Otherwise it goes by which queue wrote a flow last, which it remembers for 4096 flows (`MAX_TAP_FLOWS` in
/// drivers/net/tun.c): with more, workers hand over to each other what comes to the wrong one.
final class QueueSteering {
  private let device: TunDevice
  private let program: Int32

  /// Loads the program. Throws EPERM without CAP_BPF.
  init(_ device: TunDevice, _ owners: FlowOwners) throws(KernelError) {
    self.device = device
    program = try BPFKernel.load(.socket, OwnerProgram.code(owners), "guise_owner")
  }

  deinit { close(program) }

  /// Gives the program to the device, which keeps it, once it can tell whose queue has which number: a predecessor's go as
  /// its process ends, and the kernel moves others into their places. To be called until it says that it has.
  func begin() throws(KernelError) -> Bool {
    guard device.isOrdered || device.isAlone else { return false }
    if !device.isOrdered { try device.putInOrder() }
    try device.steer(by: program)
    return true
  }
}
