/// The TCP source ports that one client worker may use: those whose remainder by the number of workers is
/// its own index, so that any worker can tell from a port whose flow it is.
@safe
struct PortSpace: ~Copyable {
  static let first = 1_024
  /// The highest there is.
  static let last = 65_535
  /// Where stock starts at random.
  static let startRange = 32_768...60_999

  private let region: Region
  /// A bit for each port, set while taken.
  private let words: UnsafeMutablePointer<UInt64>
  private let worker: Int
  private let workerCount: Int
  private let last: Int
  private var cursor: Int
  private(set) var takenCount = 0
  let capacity: Int

  /// `last` is the highest port that may be used.
  init(worker: Int, workerCount: Int, last: Int = last, random: UInt64) throws(KernelError) {
    precondition((Self.startRange.lowerBound...Self.last).contains(last))
    region = try .array(of: UInt64.self, count: 1_024)
    unsafe words = region.bound(to: UInt64.self)
    self.worker = worker
    self.workerCount = workerCount
    self.last = last
    let firstOwn = Self.first + (worker + workerCount - Self.first % workerCount) % workerCount
    capacity = (last - firstOwn) / workerCount + 1
    let startRange = Self.startRange.clamped(to: Self.startRange.lowerBound...last)
    let start = startRange.lowerBound + Int(random % UInt64(startRange.count))
    cursor = start - start % workerCount + worker
  }

  /// The worker whose flow has this port.
  @inline(__always)
  static func owner(of port: UInt16, workerCount: Int) -> Int { Int(port) % workerCount }

  /// The next free port, counting up from a random start as stock does; nil when all are taken.
  mutating func take() -> UInt16? {
    guard takenCount < capacity else { return nil }
    while true {
      if cursor > last || cursor < Self.first {
        cursor = Self.first - Self.first % workerCount + worker
        if cursor < Self.first { cursor += workerCount }
      }
      let port = cursor
      cursor += workerCount
      // Safety: a port is below 65 536, its word below 1024.
      guard unsafe words[port >> 6] & (1 << UInt64(port & 63)) == 0 else { continue }
      unsafe words[port >> 6] |= 1 << UInt64(port & 63)
      takenCount += 1
      return UInt16(port)
    }
  }

  /// Takes this port; false when it is not ours to take.
  mutating func take(_ port: UInt16) -> Bool {
    guard (Self.first...last).contains(Int(port)),
      Self.owner(of: port, workerCount: workerCount) == worker
    else { return false }
    let bit: UInt64 = 1 << UInt64(port & 63)
    // Safety: as above.
    guard unsafe words[Int(port) >> 6] & bit == 0 else { return false }
    unsafe words[Int(port) >> 6] |= bit
    takenCount += 1
    return true
  }

  mutating func giveBack(_ port: UInt16) {
    let bit: UInt64 = 1 << UInt64(port & 63)
    precondition(unsafe words[Int(port) >> 6] & bit != 0, "a port was given back twice")
    unsafe words[Int(port) >> 6] &= ~bit
    takenCount -= 1
  }
}
