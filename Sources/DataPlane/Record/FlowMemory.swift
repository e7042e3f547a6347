/// The memory of a worker's flows: a stretch of addresses for all that it may ever have, of which the part in
/// use lies in a flow file if there is one.
///
/// That part grows by doubling, so that a table of few flows takes little room, and by 1 MiB at last, so that packets do
/// not wait while the file is filled: 128 MiB take 34 ms. Where the file cannot grow, the
/// rest is this process's alone and ends with it.
@safe
struct FlowMemory: ~Copyable {
  private let region: Region
  private let section: FlowSection?
  /// Slots below this are where they will stay.
  private(set) var coveredCount: Int
  private let capacity: Int
  /// Why the file does not grow any more.
  private(set) var refusal: KernelError?

  /// Slots that lie in the file at first; as many are whole pages.
  private static let firstCount = 64
  /// Slots that are added at once, at most.
  private static let stepMax = 4_096

  init(capacity: Int, in section: FlowSection?) throws(KernelError) {
    region = try Region(byteCount: capacity * FlowTable.stride)
    region.preferLargePages()
    self.section = section
    self.capacity = capacity
    coveredCount = section == nil ? capacity : 0
  }

  var base: UnsafeMutableRawPointer { unsafe region.base }

  /// To be called before slot `coveredCount` is touched for the first time.
  mutating func cover() {
    guard let section else { return }
    let next = min(coveredCount + min(max(Self.firstCount, coveredCount), Self.stepMax), capacity)
    let start = coveredCount * FlowTable.stride
    let end = next == capacity ? region.byteCount : next * FlowTable.stride
    do throws(KernelError) {
      try unsafe section.cover(base, from: start, to: end)
      coveredCount = next
    } catch {
      refusal = error
      coveredCount = capacity
    }
  }

  /// Tells whoever reads the file how many slots to look at.
  func note(used count: UInt32) {
    guard refusal == nil else { return }
    section?.note(used: count)
  }
}
