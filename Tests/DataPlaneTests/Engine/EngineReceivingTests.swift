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
