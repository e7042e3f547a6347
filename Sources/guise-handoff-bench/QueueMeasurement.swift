internal import CLiburing
internal import DataPlane

/// How quickly items pass through a queue between two threads that do nothing else.
enum QueueMeasurement {
  /// Items a second, pushed and taken out `batch` at a time.
  @inline(__always)
  static func transit<Queue: ItemQueue>(
    _ make: () -> Queue, on cpus: CorePair, items: Int, batch: Int
  ) throws(KernelError) -> Double {
    let queue = make()
    defer { queue.deallocate() }
    let total = UInt64(items)
    let start = guise_now()
    try PinnedThreads.run(
      on: cpus,
      { () throws(KernelError) in
        var next: UInt64 = 0
        while next < total { next = queue.push(from: next, to: min(total, next &+ UInt64(batch))) }
      },
      { () throws(KernelError) in
        var taken = 0
        while taken < Int(total) { taken &+= queue.pop(atMost: batch) }
      })
    return Double(items) / (Double(guise_now() - start) / 1e9)
  }

  /// Half the round trip of one item through two queues, nanoseconds.
  @inline(__always)
  static func hop<Queue: ItemQueue>(
    _ make: () -> Queue, on cpus: CorePair, count: Int
  ) throws(KernelError) -> Double {
    let (there, back) = (make(), make())
    defer {
      there.deallocate()
      back.deallocate()
    }
    let start = guise_now()
    try PinnedThreads.run(
      on: cpus,
      { () throws(KernelError) in
        for number in 0..<UInt64(count) {
          _ = there.push(from: number, to: number &+ 1)
          while back.pop(atMost: 1) == 0 {}
        }
      },
      { () throws(KernelError) in
        for number in 0..<UInt64(count) {
          while there.pop(atMost: 1) == 0 {}
          _ = back.push(from: number, to: number &+ 1)
        }
      })
    return Double(guise_now() - start) / Double(2 * count)
  }
}
