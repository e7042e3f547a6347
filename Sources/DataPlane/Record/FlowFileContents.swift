internal import CLiburing
internal import Glibc

/// The flows that a flow file holds, read once its process is gone.
package struct FlowFileContents: Sendable {
  package let header: FlowFileHeader
  package private(set) var flows: [FlowRecord] = []
  /// Flows that were opening or closing just then.
  package private(set) var unfinished = 0
  /// Slots that should be there and are not.
  package private(set) var missing = 0

  /// Reads a whole file; throws why it is of no use.
  package init(descriptor: Int32) throws(FlowFileRefusal) {
    header = try Self.header(descriptor: descriptor)
    for worker in 0..<header.workerCount {
      let count = try Self.bytes(descriptor, FlowFileHeader.countOffset(worker: worker), 4)
      guard count.count == 4 else { throw .truncated }
      let used = unsafe Int(count.span.bytes.raw(0, as: UInt32.self))
      guard used <= header.flowsPerWorker else { throw .damaged }
      try readSection(descriptor, worker, used: used)
    }
  }

  /// The header alone, which is whole while the process still runs.
  package static func header(descriptor: Int32) throws(FlowFileRefusal) -> FlowFileHeader {
    try FlowFileHeader(try bytes(descriptor, 0, FlowFileHeader.length))
  }

  /// Whether it begins like no flow file, of any version; nor with zeros, or not at all.
  package static func isForeign(descriptor: Int32) throws(FlowFileRefusal) -> Bool {
    let bytes = try bytes(descriptor, 0, FlowFileHeader.name.count)
    return !FlowFileHeader.name.starts(with: bytes) && bytes.contains { $0 != 0 }
  }

  /// Whether any flow would still be open, had its process gone on.
  package var hasLivingFlows: Bool {
    let now = guise_now()
    let idle = UInt64(header.idleTimeoutSeconds) * 1_000_000_000
    return flows.contains { $0.isAlive(now: now, idleNanoseconds: idle) }
  }

  private mutating func readSection(
    _ descriptor: Int32, _ worker: Int, used: Int
  ) throws(FlowFileRefusal) {
    // In pieces: the file may be sparse, and say that it has more than there is memory for.
    for first in stride(from: 0, to: used, by: Self.slotsAtOnce) {
      let count = min(Self.slotsAtOnce, used - first)
      let offset = header.sectionOffset(worker: worker) + first * header.stride
      let bytes = try Self.bytes(descriptor, offset, count * header.stride)
      let whole = bytes.count / header.stride
      let span = unsafe bytes.span.bytes
      for slot in 0..<whole {
        let start = slot * header.stride
        switch FlowRecord.read(span.extracting(start..<start + header.stride)) {
        case .free: break
        case .unfinished: unfinished += 1
        case .flow(let record): flows.append(record)
        }
      }
      guard whole == count else {
        missing += used - first - whole
        return
      }
    }
  }

  private static let slotsAtOnce = 1_024

  /// As many of `count` bytes as there are.
  private static func bytes(
    _ descriptor: Int32, _ offset: Int, _ count: Int
  ) throws(FlowFileRefusal) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    var filled = 0
    while filled < count {
      let result = unsafe bytes.withUnsafeMutableBytes { buffer in
        unsafe pread(descriptor, buffer.baseAddress! + filled, count - filled, offset + filled)
      }
      if result < 0, errno == EINTR { continue }
      guard result >= 0 else { throw .unreadable(errno: errno) }
      guard result > 0 else { break }
      filled += result
    }
    return Array(bytes.prefix(filled))
  }
}
