import DataPlane
import Testing

@testable import Control

@Suite struct DescriptorLimitTests {
  private func flows(_ descriptors: Int, _ workers: Int, _ engine: EngineKind = .uring) -> Int {
    DescriptorLimit.flowCountMax(wished: 65_536, descriptors: descriptors, workers: workers, engine: engine)
  }

  @Test func whereThereAreDescriptorsEnoughTheWishIsGranted() {
    #expect(flows(1_048_576, 1) == 65_536)
    #expect(flows(1_048_576, 16) == 65_536)
  }

  @Test(arguments: 1...16) func noWorkersTableOutgrowsTheLimit(workers: Int) {
    for descriptors in [1_024, 4_096, 20_000, 65_536] {
      let count = flows(descriptors, workers)
      // What a worker makes room for (see WorkerPlan).
      let table = workers == 1 ? count : min(count, count * 5 / 4 / workers + 256)
      #expect(table + 3 <= descriptors)
      #expect(count > descriptors / 4)
    }
  }

  @Test func withoutIoUringEverySocketIsADescriptor() { #expect(flows(20_000, 8, .epoll) < 20_000) }

  @Test func aLimitTooSmallForAnythingStillMakesSense() { #expect(flows(10, 4) == 1) }

  @Test func theSoftLimitIsRaised() { #expect(DescriptorLimit.raise() >= 1_024) }
}
