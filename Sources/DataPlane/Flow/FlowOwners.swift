/// Which worker a TCP flow belongs to, by what each of its packets says: a client's by its own port, a server's by a keyed
/// hash of the other end's address and both ports.
///
/// Made of what the kernel's BPF machine can compute as well, so that packets come to the owner's queue in the first
/// place: products keep 64 bits there (docs/decisions/0023-queue-steering.md).
package struct FlowOwners: Sendable {
  package let role: Role
  package let workerCount: Int
  /// Server: odd, and unknown to whoever chooses addresses and ports (multiply-shift hashing: Dietzfelbinger, Hagerup,
  /// Katajainen and Penttonen, 1997).
  package let multipliers: (UInt64, UInt64)
  /// Two more, which need be no secret: without them, addresses that follow each other are shared out unevenly by a
  /// pair of multipliers in a thousand (those of `fmix64` in MurmurHash3, Appleby 2011).
  package static let finalMultipliers: (UInt64, UInt64) = (0xff51_afd7_ed55_8ccd, 0xc4ce_b9fe_1a85_ec53)

  init(_ role: Role, workerCount: Int, multipliers: (UInt64, UInt64)) {
    precondition(workerCount > 0 && multipliers.0 & multipliers.1 & 1 == 1)
    self.role = role
    self.workerCount = workerCount
    self.multipliers = multipliers
  }

  package static func random(_ role: Role, workerCount: Int) -> FlowOwners {
    func odd() -> UInt64 { UInt64.random(in: 0 ... .max) | 1 }
    return FlowOwners(role, workerCount: workerCount, multipliers: (odd(), odd()))
  }

  /// The number of the worker.
  @inline(__always)
  package func worker(of key: FlowKey) -> Int {
    guard workerCount > 1 else { return 0 }
    switch role {
    case .client: return PortSpace.owner(of: key.localPort, workerCount: workerCount)
    case .server: return Int((hash(key) &* UInt64(workerCount)) &>> 32)
    }
  }

  /// 32 bits.
  @inline(__always)
  private func hash(_ key: FlowKey) -> UInt64 {
    let ports = UInt64(key.remotePort) &<< 16 | UInt64(key.localPort)
    var x = mix(key.remote.high ^ ports, multipliers.0)
    x = mix(x ^ key.remote.low, multipliers.1)
    x = mix(x, Self.finalMultipliers.0)
    return (x &* Self.finalMultipliers.1) &>> 32
  }

  @inline(__always)
  private func mix(_ x: UInt64, _ multiplier: UInt64) -> UInt64 {
    let product = x &* multiplier
    return product ^ product &>> 32
  }
}
