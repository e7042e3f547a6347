internal import CLiburing

/// What a link's driver, or the kernel in its place, does with trains of segments.
struct LinkOffloads: Equatable, Sendable {
  var gro: Bool
  var gso: Bool
  var tso: Bool

  /// Asks the driver (SIOCETHTOOL); nil where there is no such link.
  init?(device: String) {
    let answers = [GUISE_OFFLOAD_GRO, GUISE_OFFLOAD_GSO, GUISE_OFFLOAD_TSO].map {
      unsafe guise_link_get_offload(device, UInt32($0.rawValue))
    }
    guard answers.allSatisfy({ $0 >= 0 }) else { return nil }
    self.init(gro: answers[0] == 1, gso: answers[1] == 1, tso: answers[2] == 1)
  }

  init(gro: Bool, gso: Bool, tso: Bool) {
    self.gro = gro
    self.gso = gso
    self.tso = tso
  }
}

/// Whether trains stay together on the link that packets leave and come in by.
struct OffloadCheck: Check {
  let name = "offloads"

  func findings(_ plan: CheckPlan, _ host: HostView) -> [Finding] {
    HostNetwork.egressDevices(plan).compactMap { device in
      guard let offloads = host.offloads(device) else { return nil }
      let off = [("gro", offloads.gro), ("gso", offloads.gso), ("tso", offloads.tso)].filter { !$0.1 }.map(
        \.0)
      // Without TSO the kernel cuts by itself, right before the driver.
      guard off.contains("gro") || off.contains("gso") else {
        return off.isEmpty
          ? .fine("\(device): on")
          : .fine("\(device): \(off.joined(separator: ", ")) off, the kernel does it")
      }
      return .warn(
        "\(device): \(off.joined(separator: ", ")) off, so that each packet is handled by itself",
        mend: "ethtool -K \(device) \(off.map { "\($0) on" }.joined(separator: " "))")
    }
  }
}
