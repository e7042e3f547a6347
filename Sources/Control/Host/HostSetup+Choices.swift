internal import DataPlane
internal import Glibc
internal import Logging

/// What a device is to be, where the configuration leaves a choice.
extension HostSetup {
  /// The family's addresses: those of a predecessor, if it may be, the usual ones, or others where those are taken.
  static func choosePair(
    _ family: AddressFamily, _ configuration: GatewayConfiguration, _ predecessor: TunAddressPair?,
    _ taken: [TakenPrefix], _ log: Logger
  ) throws(SetupError) -> TunAddressPair {
    let request = family == .ipv4 ? configuration.tunIPv4 : configuration.tunIPv6
    let pair = try TunAddressing.choose(
      configuration.role, family, request: request, predecessor: predecessor, taken: taken)
    if !request.isExplicit, pair != predecessor, pair != TunAddressing.defaultPair(configuration.role, family)
    {
      log.notice("the usual \(family) addresses are taken on this host: using \(pair.local) and \(pair.peer)")
    }
    return pair
  }

  /// The other end's own address must not end up on the device.
  static func remotePrefix(_ remote: Endpoint) -> TakenPrefix {
    let prefix = AddressPrefix(remote.address, length: remote.address.isIPv4 ? 32 : 128)
    return TakenPrefix(prefix: prefix, reason: "it is the address of '--remote'")
  }

  /// The device with a queue for each worker, without addresses and down.
  static func makeDevice(_ preflight: Preflight) throws(SetupError) -> TunDevice {
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
}
