import CLiburing
import Glibc
import Testing

@testable import DataPlane

@Suite(.serialized) struct EngineReceivingTests {
  @Test(arguments: EngineKind.allCases)
  func datagramsOfAListenerComeInOrderWithTheirSender(kind: EngineKind) throws {
    let rig = try EngineRig.make(kind, .client)
    let target = try #require(rig.surroundings.listenerEndpoint)
    for round in 0..<4 {
      let sent = (0..<600).map { EngineRig.number(round * 600 + $0) }
      for bytes in sent { rig.surroundings.sendDatagrams(bytes, to: target) }
      let received = try rig.receiveAll().datagrams
      #expect(received.map(\.bytes) == sent)
      #expect(received.allSatisfy { $0.source == rig.surroundings.peerEndpoint && $0.partSize == 2 })
      #expect(received.allSatisfy { $0.flow == DatagramArrival.listener })
    }
  }

  @Test(arguments: EngineKind.allCases)
  func datagramsOfOneCallArriveAsATrain(kind: EngineKind) throws {
    let rig = try EngineRig.make(kind, .client)
    let target = try #require(rig.surroundings.listenerEndpoint)
    let listener = try #require(rig.surroundings.resources.listener)
    try #require(setOption(listener, GUISE_UDP_GRO))
    let bytes = (0..<3_950).map { UInt8(truncatingIfNeeded: $0) }
    rig.surroundings.sendDatagrams(bytes, partSize: 1_000, to: target)
    rig.surroundings.sendDatagrams([7], to: target)
    rig.surroundings.sendDatagrams([], to: target)
    let received = try rig.receiveAll().datagrams
    #expect(received.map(\.bytes) == [bytes, [7], []])
    #expect(received.map(\.partSize) == [1_000, 1, 0])
  }

  @Test(arguments: EngineKind.allCases)
  func theLargestDatagramComesWhole(kind: EngineKind) throws {
    let rig = try EngineRig.make(kind, .client)
    let bytes = (0..<65_507).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    rig.surroundings.sendDatagrams(bytes, to: try #require(rig.surroundings.listenerEndpoint))
    #expect(try rig.receiveAll().datagrams.map(\.bytes) == [bytes])
  }

  @Test(arguments: EngineKind.allCases)
  func aDatagramThatWasCutIsMarked(kind: EngineKind) throws {
    // UDP has none that long: local sockets do.
    let (listener, sender) = try EngineSurroundings.pair(SOCK_DGRAM)
    defer { close(sender) }
    let rig = try EngineRig.make(kind, .client, listener: listener)
    let tooLong = [UInt8](repeating: 7, count: Limits.bufferStride)
    for bytes in [[1], tooLong, [2]] { #expect(unsafe send(sender, bytes, bytes.count, 0) == bytes.count) }
    let marks = try rig.arrivals().compactMap { arrival -> Bool? in
      guard case .datagrams(let datagram) = arrival else { return nil }
      rig.buffers.release(datagram.buffer)
      return datagram.isTruncated
    }
    #expect(marks == [false, true, false])
  }

  @Test(arguments: EngineKind.allCases)
  func packetsComeInOrder(kind: EngineKind) throws {
    let rig = try EngineRig.make(kind, .client)
    var sent: [[UInt8]] = []
    var received: [[UInt8]] = []
    for round in 0..<20 {
      for index in 0..<90 {
        let bytes = EngineRig.number(round * 90 + index) + [UInt8](repeating: 1, count: index)
        try #require(rig.surroundings.sendPacket(bytes))
        sent.append(bytes)
      }
      received += try rig.receiveAll().packets
    }
    #expect(received == sent)
  }

  @Test(arguments: EngineKind.allCases)
  func aFloodOnOneSideLeavesRoomForTheOther(kind: EngineKind) throws {
    let rig = try EngineRig.make(kind, .client)
    let target = try #require(rig.surroundings.listenerEndpoint)
    for index in 0..<1_000 { rig.surroundings.sendDatagrams(EngineRig.number(index), to: target) }
    rig.surroundings.sendPacket([1, 2, 3])
    // Both have their share of the first turns, although datagrams are left over.
    var packets = 0
    var datagrams = 0
    for _ in 0..<3 {
      try rig.turn(until: guise_now() + 20_000_000)
      while let arrival = rig.nextArrival() {
        switch arrival {
        case .packet(let packet):
          #expect(rig.take(packet) == [1, 2, 3])
          packets += 1
        case .datagrams(let datagram):
          _ = rig.take(datagram)
          datagrams += 1
        default: break
        }
      }
    }
    #expect(packets == 1)
    #expect(datagrams > 0)
    datagrams += try rig.receiveAll().datagrams.count
    #expect(datagrams == 1_000)
  }

  @Test(arguments: EngineKind.allCases)
  func withoutBuffersNothingIsLostAndNothingSpins(kind: EngineKind) throws {
    let rig = try EngineRig.make(kind, .client)
    let target = try #require(rig.surroundings.listenerEndpoint)
    let datagrams = (0..<Limits.datagramBufferCount + 100).map(EngineRig.number)
    for bytes in datagrams { rig.surroundings.sendDatagrams(bytes, to: target) }
    let packetCount = Limits.packetBufferCount + 40
    for index in 0..<packetCount { try #require(rig.surroundings.sendPacket(EngineRig.number(index))) }

    // Takes arrivals and keeps their buffers until there are no more.
    let held = try rig.arrivals()
    #expect(held.count == Limits.datagramBufferCount + Limits.packetBufferCount)
    let before = processorTime()
    try rig.turn(until: guise_now() + 60_000_000)
    #expect(rig.nextArrival() == nil)
    try rig.turn(until: guise_now() + 60_000_000)
    #expect(rig.nextArrival() == nil)
    #expect(processorTime() - before < 40_000_000, "120 ms of waiting must not be spent computing")

    var receivedDatagrams: [[UInt8]] = []
    var receivedPackets: [[UInt8]] = []
    for arrival in held {
      switch arrival {
      case .datagrams(let datagram): receivedDatagrams.append(rig.take(datagram).bytes)
      case .packet(let packet): receivedPackets.append(rig.take(packet))
      default: Issue.record("neither datagram nor packet")
      }
    }
    let rest = try rig.receiveAll()
    #expect(receivedDatagrams + rest.datagrams.map(\.bytes) == datagrams)
    #expect(receivedPackets + rest.packets == (0..<packetCount).map(EngineRig.number))
  }

  @Test(arguments: EngineKind.allCases)
  func aFloodOfTrainsTakesNoMoreBuffersThanACacheHolds(kind: EngineKind) throws {
    let rig = try EngineRig.make(kind, .client)
    let bytes = [UInt8](repeating: 7, count: 40 * 1_400)
    var used: Set<BufferID> = []
    for round in 0..<60 {
      // More wait than a turn is to take.
      while rig.surroundings.sendPacket(bytes) {}
      try rig.turn(until: guise_now() + 20_000_000)
      while case .packet(let packet)? = rig.nextArrival() {
        try #require(packet.length == bytes.count)
        if round >= 30 { used.insert(packet.buffer) }
        rig.send(try #require(rig.train(packet)), flow: DatagramArrival.listener)
      }
      while rig.surroundings.receiveDatagram() != nil {}
    }
    // What is received next goes where the trains lay that were sent off last.
    #expect((1...Limits.budgetBytes / bytes.count + 1).contains(used.count), "buffers \(used.sorted())")
  }

  @Test(arguments: EngineKind.allCases)
  func buffersThatTrainsHaveHeldAreReceivedIntoWithoutWaiting(kind: EngineKind) throws {
    let rig = try EngineRig.make(kind, .client)
    let packetCount = Limits.packetBufferCount * 3 / 2
    for index in 0..<packetCount { try #require(rig.surroundings.sendPacket(EngineRig.number(index))) }
    // Every packet leaves as a datagram out of its own buffer. Nothing else happens that would end a wait.
    var forwarded = 0
    let start = guise_now()
    while forwarded < packetCount, guise_now() - start < 3_000_000_000 {
      try rig.turn(until: start + 3_000_000_000)
      while case .packet(let packet)? = rig.nextArrival() {
        rig.send(try #require(rig.train(packet)), flow: DatagramArrival.listener)
        forwarded += 1
      }
    }
    try #require(forwarded == packetCount)
    #expect(guise_now() - start < 1_000_000_000)
    try rig.turn(until: 0)
    for index in 0..<packetCount {
      #expect(rig.surroundings.receiveDatagram()?.bytes == EngineRig.number(index))
    }
  }

  @Test(.enabled(if: geteuid() == 0), arguments: EngineKind.allCases)
  func receivesGoOnWhereTheBatchIsSentOffAmongArrivals(kind: EngineKind) throws {
    let rig = try EngineRig.make(kind, .client)
    try rig.surroundings.makeRoom(16 * 1024 * 1024)
    // What they hold is learned in the first round; then a portion is lent, and used up.
    for round in 0..<2 {
      let sent = try sendLargeDatagrams(to: rig, round)
      var received: [[UInt8]] = []
      let deadline = guise_now() + 1_000_000_000
      while received.count < sent.count, guise_now() < deadline {
        try rig.turn(until: guise_now() + 50_000_000)
        while case .datagrams(let datagrams)? = rig.nextArrival() {
          received.append(rig.take(datagrams).bytes)
          // As where a worker has used up its trains: the end of the receive may be yet to be read.
          rig.flush()
        }
      }
      #expect(received.count == sent.count)
      let isTheSame = received == sent
      #expect(isTheSame)
    }
  }

  @Test(.enabled(if: geteuid() == 0), arguments: EngineKind.allCases)
  func largeArrivalsComeInPortionsWithNoRestBetweenThem(kind: EngineKind) throws {
    let rig = try EngineRig.make(kind, .client)
    try rig.surroundings.makeRoom(16 * 1024 * 1024)
    // What they hold is learned in the first round.
    for round in 0..<2 {
      let sent = try sendLargeDatagrams(to: rig, round)
      var received: [[UInt8]] = []
      var portions: [Int] = []
      let start = guise_now()
      while received.count < sent.count, guise_now() - start < 8_000_000_000 {
        try rig.turn(.resting(every: 1_000_000_000), until: guise_now() + 1_000_000_000)
        let before = received.count
        while case .datagrams(let datagram)? = rig.nextArrival() { received.append(rig.take(datagram).bytes) }
        portions.append(received.count - before)
      }
      #expect(received == sent)
      if round > 0 {
        #expect(portions.filter { $0 > 0 }.count > 1 && portions.allSatisfy { $0 < 32 })
        // The first turn may rest. Each of the others would take a second.
        #expect(guise_now() - start < 2_500_000_000)
      }
    }
  }

  /// More than a portion of what the cache holds; tells rounds apart.
  private func sendLargeDatagrams(to rig: EngineRig, _ round: Int) throws -> [[UInt8]] {
    let target = try #require(rig.surroundings.listenerEndpoint)
    let sent = (0..<40).map { EngineRig.number($0) + [UInt8](repeating: UInt8(round), count: 60_000) }
    for bytes in sent { rig.surroundings.sendDatagrams(bytes, to: target) }
    return sent
  }

  private func processorTime() -> UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  private func setOption(_ descriptor: Int32, _ name: Int) -> Bool {
    var one: Int32 = 1
    return unsafe setsockopt(descriptor, Int32(GUISE_SOL_UDP), Int32(name), &one, 4) == 0
  }
}
