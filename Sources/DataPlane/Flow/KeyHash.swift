/// A keyed hash of a flow key: unpredictable to whoever chooses ports and addresses.
///
/// Two folded 64 x 64 -> 128 bit multiplications; the seed is random at each start.
struct KeyHash: Sendable {
  private let seed: (UInt64, UInt64)

  init(seed: (UInt64, UInt64)) { self.seed = seed }

  @inline(__always)
  func hash(_ key: FlowKey) -> UInt64 {
    let ports = UInt64(key.remotePort) &<< 16 | UInt64(key.localPort)
    let remote = fold(key.remote.low ^ seed.0, key.remote.high ^ ports ^ seed.1)
    return fold(key.local.low ^ remote ^ seed.1, key.local.high ^ ports ^ 0x9e37_79b9_7f4a_7c15)
  }

  @inline(__always)
  private func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let product = a.multipliedFullWidth(by: b)
    return product.high ^ product.low
  }
}
