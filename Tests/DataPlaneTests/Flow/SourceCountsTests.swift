import Testing

@testable import DataPlane

@Suite struct SourceCountsTests {
  private let counts: SourceCounts

  init() throws { counts = try SourceCounts(limit: 3, flowCountMax: 4_096, hash: KeyHash(seed: (1, 2))) }

  private func address(_ number: Int) -> Address {
    Address("10.\(number >> 16).\(number >> 8 & 255).\(number & 255)")!
  }

  @Test func `an address has as many as it may, and again when one goes`() {
    defer { counts.deallocate() }
    for _ in 0..<3 { #expect(counts.add(address(1))) }
    for _ in 0..<10 { #expect(!counts.add(address(1))) }
    #expect(counts.add(address(2)))
    counts.remove(address(1))
    #expect(counts.add(address(1)))
    #expect(!counts.add(address(1)))
  }

  @Test func `an IPv6 network counts as one`() {
    defer { counts.deallocate() }
    for host in 1...3 { #expect(counts.add(Address("2001:db8::\(host)")!)) }
    #expect(!counts.add(Address("2001:db8::ffff:1")!))
    #expect(counts.add(Address("2001:db8:0:1::1")!))
  }

  @Test func `few of a full table's addresses are taken for others`() {
    defer { counts.deallocate() }
    for number in 0..<4_096 { for _ in 0..<2 { _ = counts.add(address(number)) } }
    let refused = (0..<4_096).count { !counts.add(address($0)) }
    #expect(refused < 4_096 / 30)
  }

  @Test func `workers count together`() async {
    defer { counts.deallocate() }
    let counts = counts
    let source = address(7)
    let added = await withTaskGroup(of: Int.self) { group in
      for _ in 0..<4 { group.addTask { (0..<1_000).count { _ in counts.add(source) } } }
      return await group.reduce(0, +)
    }
    #expect(added <= 3)
    for _ in 0..<added { counts.remove(source) }
    #expect(counts.add(source))
  }
}
