import CLiburing
import Glibc
import Testing

@testable import DataPlane

private let key4 = FlowKey(
  remote: Address("10.79.0.2")!, local: Address("192.168.200.2")!, remotePort: 4_567, localPort: 33_000)
private let key6 = FlowKey(
  remote: Address("fd79::2")!, local: Address("fcc8::2")!, remotePort: 4_567, localPort: 33_000)

@Suite struct TrainPoolTests {
  private func header(_ key: FlowKey, _ train: Train, flags: TCPFlags = .ack) -> SegmentHeader {
    SegmentHeader(
      key: key, sequence: train.sequence, acknowledgement: SequenceNumber(99), flags: flags,
      payloadLength: train.byteCount, segmentSize: train.partCount > 1 ? train.partSize : 0)
  }

  private func join(_ list: (UnsafeMutablePointer<iovec>, count: Int)) -> [UInt8] {
    var bytes = [UInt8]()
    for index in 0..<(unsafe list.count) {
      let vector = unsafe list.0[index]
      unsafe bytes += UnsafeRawBufferPointer(start: vector.iov_base, count: vector.iov_len)
    }
    return bytes
  }

  /// Fills a datagram buffer with 0xee and `payload` behind its headroom.
  private func fill(_ buffers: inout BufferPool, _ payload: [UInt8]) -> BufferID {
    let buffer = buffers.take(.datagram)!
    let room = unsafe UnsafeMutableRawBufferPointer(
      start: buffers.base(buffer), count: Limits.headroom + payload.count)
    unsafe room.initializeMemory(as: UInt8.self, repeating: 0xee)
    unsafe (buffers.base(buffer) + Limits.headroom).copyMemory(from: payload, byteCount: payload.count)
    return buffer
  }

  @Test func `all trains can be open at once, and the last finished is the next opened`() throws {
    var pool = try TrainPool(capacity: 5)
    let opened = (0..<5).map { pool.open(flow: UInt32($0))! }
    #expect(Set(opened) == Set(0..<5))
    #expect(pool.freeCount == 0)
    let none = pool.open(flow: 9)
    #expect(none == nil)
    for (number, id) in opened.enumerated() { #expect(pool[id].flow == UInt32(number)) }
    pool.finish(opened[3]) { _ in }
    pool.finish(opened[1]) { _ in }
    let again = [pool.open(flow: 7), pool.open(flow: 8)]
    #expect(again == [opened[1], opened[3]])
  }

  @Test func `a slot's next train is empty and of another generation`() throws {
    var buffers = try BufferPool(pendingPayloadMax: 1_460)
    var pool = try TrainPool(capacity: 1)
    var generations = Set<UInt16>()
    for round in 0..<4 {
      let id = pool.open(flow: 3, sequence: SequenceNumber(UInt32(round)))!
      let train = pool[id]
      #expect(train.partCount == 0 && train.byteCount == 0 && train.pieceCount == 0 && !train.isEnded)
      #expect(train.flow == 3 && train.sequence == SequenceNumber(UInt32(round)))
      generations.insert(train.generation)
      let buffer = fill(&buffers, [1])
      unsafe pool.append(
        id, buffer: buffer, at: buffers.base(buffer) + Limits.headroom, length: 1, size: 1, headroom: true)
      pool.finish(id) { buffers.release($0) }
    }
    #expect(generations.count == 4)
    #expect(buffers.freeCount(of: .datagram) == Limits.datagramBufferCount)
  }

  @Test(arguments: [0, 1, 2, 64])
  func `finishing releases the buffer of each piece once, in order`(pieces: Int) throws {
    var buffers = try BufferPool(pendingPayloadMax: 1_460)
    var pool = try TrainPool(capacity: 3)
    let id = pool.open(flow: 0)!
    var appended = [BufferID]()
    for number in 0..<pieces {
      let buffer = fill(&buffers, [UInt8(number)])
      unsafe pool.append(
        id, buffer: buffer, at: buffers.base(buffer) + Limits.headroom, length: 1, size: 1, headroom: false)
      appended.append(buffer)
      let piece = unsafe pool.piece(id, number)
      #expect(unsafe piece.buffer == buffer && piece.vector.iov_len == 1)
    }
    var released = [BufferID]()
    pool.finish(id) { released.append($0) }
    #expect(released == appended)
  }

  @Test(arguments: [key4, key6])
  func `headers are built in place in front of the first piece, and nothing else is touched`(key: FlowKey)
    throws
  {
    var random = SeededRandom(seed: 5)
    var buffers = try BufferPool(pendingPayloadMax: 1_460)
    var pool = try TrainPool(capacity: 2)
    let id = pool.open(flow: 0, sequence: SequenceNumber(0xffff_ff00))!
    let payloads = [random.bytes(1_000), random.bytes(1_000), random.bytes(7)]
    var held = [BufferID]()
    for payload in payloads {
      let buffer = fill(&buffers, payload)
      held.append(buffer)
      unsafe pool.append(
        id, buffer: buffer, at: buffers.base(buffer) + Limits.headroom, length: payload.count,
        size: payload.count, headroom: true)
    }
    let header = header(key, pool[id])
    let list = unsafe pool.prependHeader(id, header)
    #expect(unsafe list.count == 3)
    // The first vector starts within the first buffer's headroom.
    let front = unsafe buffers.base(held[0]) + Limits.headroom - header.length
    #expect(unsafe list.0[0].iov_base == front)
    let packets = try TunFrame(unsafe join(list)).packets
    try #require(packets.count == 3)
    var sequence: UInt32 = 0xffff_ff00
    for (packet, payload) in zip(packets, payloads) {
      expectPacket(
        packet, .from(key.localEndpoint), .to(key.remoteEndpoint), .flags(.ack), .sequence(sequence),
        .acknowledgement(99), .payload(payload))
      sequence &+= UInt32(payload.count)
    }
    for (number, buffer) in held.enumerated() {
      let spared = Limits.headroom - (number == 0 ? header.length : 0)
      let room = unsafe UnsafeRawBufferPointer(start: buffers.base(buffer), count: spared)
      #expect(unsafe room.allSatisfy { $0 == 0xee })
    }
  }

  @Test(arguments: [key4, key6])
  func `without headroom they lie apart, and the pieces are left as they are`(key: FlowKey) throws {
    var random = SeededRandom(seed: 6)
    var buffers = try BufferPool(pendingPayloadMax: 1_460)
    var pool = try TrainPool(capacity: 2)
    let id = pool.open(flow: 0)!
    let payload = random.bytes(1_300)
    let buffer = fill(&buffers, payload)
    let start = unsafe buffers.base(buffer) + Limits.headroom
    unsafe pool.append(id, buffer: buffer, at: start, length: 1_300, size: 1_300, headroom: false)
    let list = unsafe pool.prependHeader(id, header(key, pool[id]))
    #expect(unsafe list.count == 2)
    #expect(unsafe list.0[1].iov_base == start)
    let packets = try TunFrame(unsafe join(list)).packets
    #expect(packets.count == 1)
    expectPacket(packets.first, .stockShape, .payload(payload))
    let room = unsafe UnsafeRawBufferPointer(start: buffers.base(buffer), count: Limits.headroom)
    #expect(unsafe room.allSatisfy { $0 == 0xee })
  }

  @Test(arguments: [key4, key6], [TCPFlags.syn, [.syn, .ack], .ack, .rst])
  func `a train without pieces is a control segment`(key: FlowKey, flags: TCPFlags) throws {
    var pool = try TrainPool(capacity: 2)
    // Two at once: each has room for its own.
    let ids = [
      pool.open(flow: 0, sequence: SequenceNumber(1))!, pool.open(flow: 0, sequence: SequenceNumber(2))!,
    ]
    let lists = unsafe [
      pool.prependHeader(ids[0], header(key, pool[ids[0]], flags: flags)),
      pool.prependHeader(ids[1], header(key, pool[ids[1]], flags: flags)),
    ]
    for number in 0..<2 {
      #expect(unsafe lists[number].count == 1)
      let packets = try TunFrame(unsafe join(lists[number])).packets
      expectPacket(
        packets.first, .stockShape, .flags(flags), .sequence(UInt32(number + 1)), .acknowledgement(99),
        .noPayload)
    }
  }

  @Test(arguments: Seeds.all)
  func `any datagrams leave as the segments that they would have made one by one`(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    var buffers = try BufferPool(pendingPayloadMax: 1_460)
    var pool = try TrainPool(capacity: 64)
    for _ in 0..<8 {
      var datagrams = [[UInt8]]()
      var sent = [[UInt8]]()
      var sequence = SequenceNumber(UInt32(truncatingIfNeeded: random.next()))
      let first = sequence
      var open: TrainID?
      func close(_ pool: inout TrainPool) throws {
        guard let id = open else { return }
        sent += try TunFrame(unsafe join(pool.prependHeader(id, header(key4, pool[id])))).packets
        pool.finish(id) { buffers.release($0) }
        open = nil
      }
      for _ in 0..<Int.random(in: 1...80, using: &random) {
        let size = [1, 100, 1_400, 1_460].randomElement(using: &random)!
        let payload = random.bytes(random.oneIn(6) ? Int.random(in: 1...size, using: &random) : size)
        datagrams.append(payload)
        if let id = open, pool[id].room(for: payload.count, size: payload.count, partsMax: 64) == 0 {
          try close(&pool)
        }
        let id = open ?? pool.open(flow: 0, sequence: sequence)!
        open = id
        let buffer = fill(&buffers, payload)
        unsafe pool.append(
          id, buffer: buffer, at: buffers.base(buffer) + Limits.headroom, length: payload.count,
          size: payload.count, headroom: random.oneIn(2))
        sequence += payload.count
      }
      try close(&pool)
      var next = first.value
      try #require(sent.count == datagrams.count)
      for (packet, datagram) in zip(sent, datagrams) {
        expectPacket(packet, .flags(.ack), .sequence(next), .payload(datagram))
        next &+= UInt32(datagram.count)
      }
    }
    #expect(buffers.freeCount(of: .datagram) == Limits.datagramBufferCount && pool.freeCount == 64)
  }

  // MARK: - Messages

  /// The control messages of a message, by level and type.
  private func control(_ message: msghdr) -> [[Int32]: [UInt8]] {
    var found = [[Int32]: [UInt8]]()
    guard let area = unsafe message.msg_control else { return found }
    let end = unsafe Int(message.msg_controllen)
    var offset = 0
    while offset + MemoryLayout<cmsghdr>.size <= end {
      let head = unsafe area.load(fromByteOffset: offset, as: cmsghdr.self)
      let length = Int(head.cmsg_len) - MemoryLayout<cmsghdr>.size
      let value = unsafe UnsafeRawBufferPointer(
        start: area + offset + MemoryLayout<cmsghdr>.size, count: length)
      found[[head.cmsg_level, head.cmsg_type]] = unsafe Array(value)
      offset += guise_cmsg_space(length)
    }
    return found
  }

  @Test(arguments: [1, 2, 64])
  func `a message gathers the pieces, and asks for cutting only when there are several parts`(parts: Int)
    throws
  {
    var buffers = try BufferPool(pendingPayloadMax: 1_460)
    var pool = try TrainPool(capacity: 2)
    let id = pool.open(flow: 0)!
    for number in 0..<parts {
      let buffer = fill(&buffers, [UInt8](repeating: UInt8(number), count: 500))
      unsafe pool.append(
        id, buffer: buffer, at: buffers.base(buffer) + Limits.headroom, length: 500, size: 500, headroom: true
      )
    }
    let message = unsafe pool.message(id).pointee
    #expect(unsafe message.msg_name == nil && message.msg_namelen == 0)
    let payload = unsafe join((message.msg_iov, count: message.msg_iovlen))
    #expect(payload == (0..<parts).flatMap { [UInt8](repeating: UInt8($0), count: 500) })
    let messages = unsafe control(message)
    #expect(messages == (parts == 1 ? [:] : [[17, 103]: [0xf4, 0x01]]))
    #expect(unsafe (message.msg_control == nil) == (parts == 1))
  }

  @Test(arguments: ["192.0.2.7", "2001:db8::7"], [1, 3])
  func `a message names its destination and the address it leaves from`(text: String, parts: Int) throws {
    let address = try #require(Address(text))
    var buffers = try BufferPool(pendingPayloadMax: 1_460)
    var pool = try TrainPool(capacity: 2)
    let id = pool.open(flow: 0)!
    for _ in 0..<parts {
      let buffer = fill(&buffers, [1, 2, 3])
      unsafe pool.append(
        id, buffer: buffer, at: buffers.base(buffer) + Limits.headroom, length: 3, size: 3, headroom: true)
    }
    let destination = Endpoint(address, port: 53)
    let message = unsafe pool.message(id, to: destination, from: address).pointee
    let named = unsafe SocketAddress.read(message.msg_name, length: Int(message.msg_namelen))
    #expect(named == destination)
    let messages = unsafe control(message)
    #expect(messages.count == (parts > 1 ? 2 : 1))
    // struct in_pktinfo has the address behind the interface, struct in6_pktinfo in front of it.
    let source =
      address.isIPv4
      ? messages[[Int32(IPPROTO_IP), 8]].map { Array($0[4..<8]) }
      : messages[[Int32(IPPROTO_IPV6), 50]].map { Array($0[..<16]) }
    #expect(source == address.bytes)
  }

  @Test func `a piece more than a train may have traps`() async {
    await #expect(processExitsWith: .failure) {
      var buffers = try BufferPool(pendingPayloadMax: 1_460)
      var pool = try TrainPool(capacity: 1)
      let id = pool.open(flow: 0)!
      let buffer = buffers.take(.datagram)!
      for _ in 0...Limits.trainSegmentsMax {
        unsafe pool.append(id, buffer: buffer, at: buffers.base(buffer), length: 1, size: 1, headroom: false)
      }
    }
  }
}
