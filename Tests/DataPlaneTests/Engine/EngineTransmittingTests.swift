import CLiburing
import Glibc
import Testing

@testable import DataPlane

@Suite(.serialized) struct EngineTransmittingTests {
  /// More than the socket that stands in for TUN takes at once.
  private static let tooLong = 4 << 20

  @Test(arguments: EngineKind.allCases)
  func packetsAreWrittenInOrderFromAllTheirPieces(kind: EngineKind) throws {
    let rig = try EngineRig.make(kind, .client)
    for round in 0..<30 {
      for index in 0..<40 {
        let id = try #require(
          rig.train([EngineRig.number(round * 40 + index), [9], [8]].prefix(1 + index % 3) + []))
        rig.write(id)
      }
      #expect(try rig.receiveAll().others.isEmpty)
      for index in 0..<40 {
        let expected = EngineRig.number(round * 40 + index) + [9, 8].prefix(index % 3)
        #expect(rig.surroundings.receivePacket() == expected)
      }
    }
    try expectNothingLeaks(rig)
  }

  @Test(arguments: EngineKind.allCases, [Role.client, Role.server])
  func aTrainLeavesAsItsDatagrams(kind: EngineKind, role: Role) throws {
    let rig = try EngineRig.make(kind, role)
    if role == .server { try rig.open(flow: 3, generation: 5) }
    let flow = role == .server ? 3 : DatagramArrival.listener
    for _ in 0..<50 {
      let parts = (0..<10).map { [UInt8](repeating: UInt8($0), count: $0 == 9 ? 40 : 100) }
      rig.send(try #require(rig.train(parts)), flow: flow)
      rig.send(try #require(rig.train([[1, 2, 3]])), flow: flow)
      #expect(try rig.arrivals(patience: 5).isEmpty)
      for part in parts + [[1, 2, 3]] { #expect(rig.surroundings.receiveDatagram()?.bytes == part) }
      #expect(rig.surroundings.receiveDatagram() == nil)
    }
    try expectNothingLeaks(rig)
  }

  @Test(arguments: EngineKind.allCases)
  func aRefusedDatagramIsToldOfAndThoseAroundItGo(kind: EngineKind) throws {
    let rig = try EngineRig.make(kind, .client)
    let memory = UnsafeMutableRawPointer.allocate(byteCount: 65_535, alignment: 16)
    defer { unsafe memory.deallocate() }
    unsafe memory.initializeMemory(as: UInt8.self, repeating: 0, count: 65_535)
    var tooLong: [TrainID] = []
    for index in 0..<20 {
      if index % 5 == 2 || index == 0 || index == 19 {
        // More than a UDP datagram holds.
        let id = try #require(unsafe rig.longTrain(memory, length: 65_530))
        tooLong.append(id)
        rig.send(id, flow: DatagramArrival.listener)
      } else {
        rig.send(try #require(rig.train([EngineRig.number(index)])), flow: DatagramArrival.listener)
      }
    }
    let failures = try rig.arrivals()
    #expect(failures.map(\.failedTrain) == tooLong)
    #expect(failures.allSatisfy { $0.failure?.direction == .downlink && $0.failure?.errno == EMSGSIZE })
    for index in 0..<20 where index % 5 != 2 && index != 0 && index != 19 {
      #expect(rig.surroundings.receiveDatagram()?.bytes == EngineRig.number(index))
    }
    try expectNothingLeaks(rig)
  }

  @Test(arguments: EngineKind.allCases)
  func aRefusedPacketIsToldOf(kind: EngineKind) throws {
    let rig = try EngineRig.make(kind, .client)
    let memory = UnsafeMutableRawPointer.allocate(byteCount: Self.tooLong, alignment: 16)
    defer { unsafe memory.deallocate() }
    var tooLong: [TrainID] = []
    for index in 0..<60 {
      if index % 7 == 0 {
        let id = try #require(unsafe rig.longTrain(memory, length: Self.tooLong))
        tooLong.append(id)
        rig.write(id)
      } else {
        rig.write(try #require(rig.train([EngineRig.number(index)])))
      }
    }
    let refused = try rig.arrivals()
    #expect(refused.map(\.failedTrain) == tooLong)
    #expect(refused.allSatisfy { $0.failure?.direction == .uplink && $0.failure?.errno == EMSGSIZE })
    for index in 0..<60 where index % 7 != 0 {
      #expect(rig.surroundings.receivePacket() == EngineRig.number(index))
    }
    try expectNothingLeaks(rig)
  }

  @Test(arguments: EngineKind.allCases)
  func aTrainIsStillThereThatIsRefusedWhileReceivesWaitForBuffers(kind: EngineKind) throws {
    let rig = try EngineRig.make(kind, .client)
    for index in 0..<Limits.packetBufferCount + 8 {
      try #require(rig.surroundings.sendPacket(EngineRig.number(index)))
    }
    // Their buffers are kept.
    try #require(try rig.arrivals().count == Limits.packetBufferCount)
    let memory = UnsafeMutableRawPointer.allocate(byteCount: 65_535, alignment: 16)
    defer { unsafe memory.deallocate() }
    let id = try #require(unsafe rig.longTrain(memory, length: 65_530))
    rig.send(id, flow: DatagramArrival.listener)
    rig.send(try #require(rig.train([[1, 2, 3]])), flow: DatagramArrival.listener)
    let refused = try rig.arrivals()
    #expect(refused.map(\.failedTrain) == [id])
    #expect(rig.surroundings.receiveDatagram()?.bytes == [1, 2, 3])
    try expectNothingLeaks(rig)
  }

  @Test(arguments: EngineKind.allCases)
  func aFlushFreesEveryTrainRefusedOrNot(kind: EngineKind) throws {
    let rig = try EngineRig.make(kind, .client)
    let memory = UnsafeMutableRawPointer.allocate(byteCount: Self.tooLong, alignment: 16)
    defer { unsafe memory.deallocate() }
    for _ in 0..<3 {
      while rig.trains.freeCount > 0 {
        if rig.trains.freeCount % 2 == 0 {
          rig.write(try #require(unsafe rig.longTrain(memory, length: Self.tooLong)))
        } else {
          rig.send(try #require(rig.train([[1, 2]])), flow: DatagramArrival.listener)
        }
      }
      rig.flush()
      #expect(rig.trains.freeCount == rig.trains.capacity)
      while rig.surroundings.receiveDatagram() != nil {}
    }
    // What was refused is told of, but its trains are gone.
    let refused = try rig.arrivals()
    #expect(refused.count == 3 * Limits.trainCount / 2)
    #expect(refused.allSatisfy { $0.failure?.direction == .uplink && $0.failedTrain == nil })
  }

  @Test(arguments: EngineKind.allCases)
  func theRefusedTrainBeingDealtWithOutlivesAFlush(kind: EngineKind) throws {
    let rig = try EngineRig.make(kind, .client)
    let memory = UnsafeMutableRawPointer.allocate(byteCount: 65_535, alignment: 16)
    defer { unsafe memory.deallocate() }
    for _ in 0..<2 {
      let id = try #require(unsafe rig.longTrain(memory, length: 65_530))
      rig.send(id, flow: DatagramArrival.listener)
    }
    try rig.turn(until: guise_now() + 20_000_000)
    let first = try #require(rig.nextArrival()?.failedTrain)
    let before = rig.trains[first]
    rig.flush()
    while let other = rig.trains.open(flow: 1) { #expect(other != first) }
    #expect(rig.trains[first] == before)
    #expect(unsafe rig.trains.piece(first, 0).vector.iov_base == memory)
  }

  private func expectNothingLeaks(_ rig: EngineRig) throws {
    try rig.turn(until: 0)
    try rig.turn(until: 0)
    #expect(rig.trains.freeCount == rig.trains.capacity)
    #expect(rig.buffers.freeCount(of: .pending) == Limits.pendingBufferCount)
  }
}

extension Arrival {
  var failure: (train: TrainID?, direction: Direction, errno: Int32)? {
    guard case .transmitFailed(let train, let direction, let errno, _) = self else { return nil }
    return (train, direction, errno)
  }
  var failedTrain: TrainID? { failure?.train }
}
