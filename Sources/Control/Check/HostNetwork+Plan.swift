internal import DataPlane

extension HostNetwork {
  /// The devices by which packets leave, as far as the plan tells.
  static func egressDevices(_ plan: CheckPlan) -> [String] {
    if let remote = plan.remote {
      guard let address = try? remote.get().address else { return [] }
      return [egressDevice(to: address, mark: plan.mark)].compactMap(\.self)
    }
    var devices: [String] = []
    for device in AddressFamily.allCases.flatMap(defaultRouteDevices) where !devices.contains(device) {
      devices.append(device)
    }
    return devices
  }
}
