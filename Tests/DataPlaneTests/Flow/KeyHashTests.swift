import Testing

@testable import DataPlane

@Suite struct KeyHashTests {
  private let hash = KeyHash(seed: (0x1234_5678_9abc_def0, 0x0fed_cba9_8765_4321))

  private static let key4 = FlowKey(
    remote: Address("198.51.100.2")!, local: Address("192.0.2.1")!, remotePort: 40_000, localPort: 4_567)
  private static let key6 = FlowKey(
    remote: Address("2001:db8::2")!, local: Address("fd00::1")!, remotePort: 40_000, localPort: 4_567)

  @Test func `it is what it was`() {
    let key = FlowKey(
      remote: Address("192.0.2.1")!, local: Address("192.0.2.2")!, remotePort: 40_000, localPort: 4_567)
    let hash = KeyHash(seed: (0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210))
    #expect(hash.hash(key) == 0x48d1_fcb3_5035_1018)
  }

  @Test(arguments: [key4, key6])
  func `every field counts`(key: FlowKey) {
    var others = [FlowKey]()
    var other = key
    other.remotePort += 1
    others.append(other)
    other = key
    other.localPort += 1
    others.append(other)
    other = key
    swap(&other.remotePort, &other.localPort)
    others.append(other)
    other = key
    swap(&other.remote, &other.local)
    others.append(other)
    other = key
    other.remote = Address("203.0.113.9")!
    others.append(other)
    other = key
    other.local = Address("203.0.113.9")!
    others.append(other)
    for other in others { #expect(hash.hash(other) != hash.hash(key)) }
    #expect(KeyHash(seed: (1, 2)).hash(key) != hash.hash(key))
  }

  /// An index uses the low bits, and what is drawn by lot the high ones: both must spread what differs in a port alone.
  @Test(arguments: [key4, key6], [0, 32] as [UInt64])
  func `ports alone spread evenly`(key: FlowKey, shift: UInt64) {
    var key = key
    var buckets = [Int](repeating: 0, count: 256)
    for port in 0...UInt16.max {
      key.remotePort = port
      // The low byte of the tag, and the highest of all.
      let byte = shift == 0 ? hash.hash(key) & 0xff : hash.hash(key) >> 56
      buckets[Int(byte)] += 1
    }
    // 256 expected in each, standard deviation 16.
    #expect(buckets.min()! > 256 - 8 * 16 && buckets.max()! < 256 + 8 * 16)
  }

  @Test(arguments: [key4, key6])
  func `few ports of a client share a tag`(key: FlowKey) {
    var key = key
    var tags = Set<UInt32>()
    for port in 0...UInt16.max {
      key.remotePort = port
      tags.insert(UInt32(truncatingIfNeeded: hash.hash(key)))
    }
    // Half a collision expected among 65 536 values of 32 bits.
    #expect(tags.count > 65_536 - 16)
  }
}
