import Testing

@testable import DataPlane

@Suite struct FlowOwnersTests {
  private static let workerCounts = [2, 3, 8, 64]

  /// Flows that differ in one thing alone, as many as ports.
  private static func keys(_ change: (inout FlowKey, UInt16) -> Void, from first: FlowKey) -> [FlowKey] {
    (0...UInt16.max).map { number in
      var key = first
      change(&key, number)
      return key
    }
  }

  private static let four = FlowKey(
    remote: Address("198.51.100.2")!, local: Address("192.168.201.2")!, remotePort: 40_000, localPort: 4_567)
  private static let six = FlowKey(
    remote: Address("2001:db8::2")!, local: Address("fcc9::2")!, remotePort: 40_000, localPort: 4_567)

  private static let families: [[FlowKey]] = [
    keys({ $0.remotePort = $1 }, from: four),
    keys({ $0.remotePort = $1 }, from: six),
    // Neighbours in a network, as a carrier's NAT has them.
    keys({ $0.remote = Address(ipv4: (0x0a00_0000 + UInt32($1)).bigEndian) }, from: four),
    // One host in each of many networks, and many hosts in one.
    keys({ $0.remote.high = (0x2001_0db8_0000_0000 + UInt64($1) << 16).bigEndian }, from: six),
    keys({ $0.remote.low = UInt64($1).bigEndian }, from: six),
  ]

  @Test(arguments: workerCounts, families.indices)
  func `a server's flows spread evenly, whatever they differ in`(workerCount: Int, family: Int) {
    for _ in 0..<100 {
      let owners = FlowOwners.random(.server, workerCount: workerCount)
      var counts = [Int](repeating: 0, count: workerCount)
      for key in Self.families[family] { counts[owners.worker(of: key)] += 1 }
      // The work of the busiest, by the mean. Chance alone leaves 1.1 with 64 workers.
      let busiest = Double(counts.max()!) * Double(workerCount) / 65_536
      #expect(busiest < 1.25, "\(counts) with \(owners.multipliers)")
    }
  }

  @Test func `the simulation of how flows spread computes the same`() {
    // bench/tests/test_scale.py asserts the same values of its twin. So many workers that the number is the hash.
    let owners = FlowOwners(
      .server, workerCount: 1 << 32, multipliers: (0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3211))
    var key = Self.four
    key.remote = Address("192.0.2.1")!
    #expect(owners.worker(of: key) == 0x345a_ef83)
    key.remote = Address("2001:db8::2")!
    #expect(owners.worker(of: key) == 0xc4cd_7437)
  }

  @Test func `who does not know the multipliers does not know the worker`() {
    // Flows that all are one worker's by one pair of them are spread by another.
    let (known, other) = (
      FlowOwners.random(.server, workerCount: 8), FlowOwners.random(.server, workerCount: 8)
    )
    let keys = Self.families[0].filter { known.worker(of: $0) == 0 }
    var counts = [Int](repeating: 0, count: 8)
    for key in keys { counts[other.worker(of: key)] += 1 }
    #expect(keys.count > 4_096)
    #expect(counts.max()! < keys.count / 2, "\(counts)")
  }

  @Test(arguments: [Role.client, .server]) func `one worker has all`(role: Role) {
    let owners = FlowOwners.random(role, workerCount: 1)
    #expect(Self.families[0].allSatisfy { owners.worker(of: $0) == 0 })
  }
}
