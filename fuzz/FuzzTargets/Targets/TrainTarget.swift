internal import Glibc

@testable internal import DataPlane

/// Trains of any payloads, held against a twin that puts one part after another.
enum TrainTarget {
  static func run(_ input: Input) {
    var input = input
    var run = TrainRun(
      partsMax: [1, 2, 7, Limits.trainSegmentsMax][input.number(below: 4)], isUplink: input.chance())
    for _ in 0..<256 where !input.isEmpty {
      let length = 1 + input.number(below: 60_000)
      // More than a few hundred parts at once say nothing new, and take their time.
      let size = max(1 + Int(input.magnitude(bits: 16)), length / 300)
      run.add(length: length, size: size, headroom: input.chance())
      if input.chance() { run.close() }
    }
    run.finish()
  }
}

@safe
private struct TrainRun: ~Copyable {
  private var pool: TrainPool
  /// Made once, and as it was when a run ends.
  private let payloads: UnsafeMutableRawPointer
  private let partsMax: Int
  private let isUplink: Bool
  private var open: TrainID?
  private var cursor = Limits.headroom
  /// What the twin has gathered: places and lengths of the parts of the train that is open.
  private var parts: [(offset: Int, length: Int)] = []
  private var sent = 0

  private static let byteCount = 256 * 1_024
  /// Bytes that tell their own place, so that one that is moved or written over is seen.
  private static let pattern: [UInt8] = (0..<byteCount).map {
    UInt8(truncatingIfNeeded: $0 &* 167 &+ $0 >> 8)
  }
  // Safety: a fuzzer runs on one thread.
  nonisolated(unsafe) private static let shared: UnsafeMutableRawPointer = {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 64)
    unsafe memory.copyMemory(from: pattern, byteCount: byteCount)
    return unsafe memory
  }()

  init(partsMax: Int, isUplink: Bool) {
    guard let pool = try? TrainPool(capacity: 4) else { fail("no memory") }
    self.pool = pool
    unsafe payloads = Self.shared
    self.partsMax = partsMax
    self.isUplink = isUplink
  }

  /// The loop of `Worker.gather`, and the twin behind it.
  mutating func add(length: Int, size: Int, headroom: Bool) {
    if cursor + length > Self.byteCount {
      close()
      cursor = Limits.headroom
    }
    let start = cursor
    cursor += length + Limits.headroom
    var taken = 0
    while taken < length {
      let part = min(size, length - taken)
      let id = open ?? pool.open(flow: 0, sequence: SequenceNumber(UInt32(sent)))!
      open = id
      let stretch = pool[id].room(for: length - taken, size: part, partsMax: partsMax)
      check((0...length - taken).contains(stretch), "\(stretch) bytes are granted of \(length - taken)")
      for offset in stride(from: 0, to: stretch, by: part) {
        let next = min(part, stretch - offset)
        check(twinTakes(next), "a part of \(next) bytes joins \(parts.map(\.length))")
        parts.append((start + taken + offset, next))
      }
      guard stretch > 0 else {
        // A shorter part ends a train, so one that others of its own length follow is left to them.
        let hasFollowers = part < length - taken && part < parts[0].length
        check(
          hasFollowers || !twinTakes(part), "a part of \(part) bytes does not join \(parts.map(\.length))")
        close()
        continue
      }
      unsafe pool.append(
        id, buffer: 0, at: payloads + start + taken, length: stretch, size: part,
        headroom: headroom && taken == 0)
      taken += stretch
    }
  }

  /// The rule of UDP_SEGMENT and of a super-packet: equal parts, the last may be shorter, so many, so long.
  private func twinTakes(_ length: Int) -> Bool {
    guard let first = parts.first, let last = parts.last else { return true }
    let total = parts.reduce(0) { $0 + $1.length }
    return parts.count < partsMax && last.length == first.length && length <= first.length
      && total + length <= Limits.trainBytesMax
  }

  mutating func close() {
    guard let id = open else { return }
    open = nil
    let train = pool[id]
    let total = parts.reduce(0) { $0 + $1.length }
    check(train.partCount == parts.count, "\(train.partCount) parts in place of \(parts.count)")
    check(train.byteCount == total, "\(train.byteCount) bytes in place of \(total)")
    if isUplink { checkPacket(id, train) } else { checkMessage(id, train) }
    sent += total
    parts = []
    var holds = 0
    pool.finish(id) { _ in holds += 1 }
    check(holds == train.pieceCount, "\(holds) holds go of \(train.pieceCount)")
  }

  private mutating func checkPacket(_ id: TrainID, _ train: Train) {
    let key = FlowKey(
      remote: Address("192.0.2.2")!, local: Address("192.0.2.1")!, remotePort: 4_567, localPort: 40_000)
    let header = SegmentHeader(
      key: key, sequence: train.sequence, acknowledgement: SequenceNumber(7), flags: .ack,
      payloadLength: train.byteCount, segmentSize: train.partCount > 1 ? train.partSize : 0)
    let (vectors, count) = unsafe pool.prependHeader(id, header)
    let bytes = unsafe Self.join(vectors, count)
    let packet = bytes.raw
    guard let vnet = VirtioNetHeader(packet), train.byteCount <= Limits.trainBytesMax,
      let segment = try? Segment.parse(packet.extracting(droppingFirst: VirtioNetHeader.length), vnet: vnet)
    else { return check(train.byteCount > Limits.trainBytesMax, "a train that cannot be read") }
    check(segment.payloadLength == train.byteCount, "the header says \(segment.payloadLength) bytes")
    check(segment.sequence == train.sequence, "the header has another sequence number")
    check(segment.partCount == train.partCount, "the header says \(segment.partCount) parts")
    checkPayload(bytes[header.length...])
    restore(header.length)
  }

  private mutating func checkMessage(_ id: TrainID, _ train: Train) {
    let message = unsafe pool.message(id)
    checkPayload(unsafe Self.join(message.pointee.msg_iov, message.pointee.msg_iovlen)[...])
    check(unsafe (message.pointee.msg_controllen > 0) == (train.partCount > 1), "UDP_SEGMENT out of place")
  }

  private func checkPayload(_ bytes: ArraySlice<UInt8>) {
    var rest = bytes
    for part in parts {
      check(
        rest.prefix(part.length).elementsEqual(Self.pattern[part.offset..<part.offset + part.length]),
        "the \(part.length) bytes at \(part.offset) are others")
      rest = rest.dropFirst(part.length)
    }
    check(rest.isEmpty, "there are \(rest.count) bytes too many")
  }

  /// Puts back what headers in place have written over; nothing else may have changed.
  private func restore(_ length: Int) {
    guard let front = parts.first?.offset else { return }
    unsafe Self.pattern.withUnsafeBytes { pattern in
      unsafe (payloads + front - length).copyMemory(
        from: pattern.baseAddress! + front - length, byteCount: length)
    }
  }

  private static func join(_ vectors: UnsafeMutablePointer<iovec>, _ count: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    for index in 0..<count {
      unsafe bytes += UnsafeRawBufferPointer(
        start: vectors[index].iov_base, count: vectors[index].iov_len)
    }
    return bytes
  }

  mutating func finish() {
    close()
    check(pool.freeCount == pool.capacity, "\(pool.capacity - pool.freeCount) trains are lost")
    let isWhole = unsafe memcmp(payloads, Self.pattern, Self.byteCount) == 0
    check(isWhole, "a payload has been written over")
  }
}
