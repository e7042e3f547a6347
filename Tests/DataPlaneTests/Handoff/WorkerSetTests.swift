import Testing

@testable import DataPlane

@Suite struct WorkerSetTests {
  @Test func `members come out once, lowest first`() {
    var set = WorkerSet()
    #expect(set.popFirst() == nil)
    for worker in [200, 63, 64, 0, 255, 63, 128] { set.insert(worker) }
    var found = [Int]()
    while let worker = set.popFirst() { found.append(worker) }
    #expect(found == [0, 63, 64, 128, 200, 255])
    #expect(set.popFirst() == nil)
  }

  @Test(arguments: Seeds.all)
  func `any sequence of operations is that of a set`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var set = WorkerSet()
    var twin = Set<Int>()
    for _ in 0..<5_000 {
      if random.oneIn(2) {
        let worker = Int.random(in: 0..<Limits.workerCountMax, using: &random)
        set.insert(worker)
        twin.insert(worker)
      } else {
        let wanted = twin.min()
        #expect(set.popFirst() == wanted)
        if let wanted { twin.remove(wanted) }
      }
    }
  }
}
