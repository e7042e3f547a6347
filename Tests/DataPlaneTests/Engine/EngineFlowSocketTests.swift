import CLiburing
import Glibc
import Testing

@testable import DataPlane

@Suite(.serialized) struct EngineFlowSocketTests {
  /// Sends a datagram out of a flow's socket; returns where the service sees it come from.
  private static func introduce(_ rig: EngineRig, flow: UInt32) throws -> Endpoint {
    rig.send(try #require(rig.train([[1]])), flow: flow)
    try rig.turn(until: 0)
    return try #require(rig.surroundings.receiveDatagram()?.source)
  }

  @Test(arguments: EngineKind.allCases)
  func thousandsOfFlowsEachHearTheirOwn(kind: EngineKind) throws {
    let count = 3_000
    let rig = try EngineRig.make(kind, .server, flowCountMax: count)
    var addresses: [Endpoint] = []
    for flow in 0..<UInt32(count) {
      try rig.open(flow: flow, generation: UInt16(flow % 7))
      addresses.append(try Self.introduce(rig, flow: flow))
    }
    for round in 0..<3 {
      // In bursts that outnumber the buffers and the events of one wait.
      for (flow, address) in addresses.enumerated() {
        for _ in 0...round { rig.surroundings.sendDatagrams(EngineRig.number(flow), to: address) }
      }
      let received = try rig.receiveAll().datagrams
      #expect(received.count == count * (round + 1))
      #expect(
        received.allSatisfy {
          $0.bytes == EngineRig.number(Int($0.flow)) && $0.generation == UInt16($0.flow % 7)
        })
      #expect(Set(received.map(\.flow)).count == count)
    }
    for flow in 0..<UInt32(count) { rig.close(flow: flow, generation: UInt16(flow % 7)) }
    #expect(try rig.receiveAll().datagrams.isEmpty)
  }

  /// As after a moment without the CPU. A ring that armed all of them in each turn would never catch up.
  @Test(arguments: EngineKind.allCases)
  func whatWaitsOnThousandsOfSocketsTakesAFewEntriesEach(kind: EngineKind) throws {
    let (count, rounds) = (4_000, 4)
    let rig = try EngineRig.make(kind, .server, flowCountMax: count)
    var addresses: [Endpoint] = []
    for flow in 0..<UInt32(count) {
      try rig.open(flow: flow, generation: 1)
      addresses.append(try Self.introduce(rig, flow: flow))
    }
    for round in 0..<rounds {
      for address in addresses { rig.surroundings.sendDatagrams(EngineRig.number(round), to: address) }
    }
    // Without buffers, the receives of all others end, some in each turn.
    var held = try rig.arrivals()
    for _ in 0..<200 { held += try rig.arrivals(patience: 0) }
    let before = rig.entryCount
    var received = held.compactMap { arrival -> EngineRig.Received? in
      guard case .datagrams(let datagrams) = arrival else { return nil }
      return rig.take(datagrams)
    }
    received += try rig.receiveAll().datagrams
    #expect(received.count == count * rounds)
    var seen: [UInt32: [[UInt8]]] = [:]
    for datagram in received { seen[datagram.flow, default: []].append(datagram.bytes) }
    let isInOrder = seen.values.allSatisfy { $0 == (0..<rounds).map(EngineRig.number) }
    #expect(isInOrder)
    if let before, let after = rig.entryCount {
      // Each is armed where there is a buffer for it; of those that were, some end as others take more than one.
      #expect(after - before < 2 * count * rounds, "\(after - before) entries")
    }
  }

  @Test(arguments: EngineKind.allCases)
  func whatAClosedSocketHeldIsNotTakenForTheNext(kind: EngineKind) throws {
    let rig = try EngineRig.make(kind, .server)
    for generation in 0..<UInt16(300) {
      try rig.open(flow: 4, generation: generation)
      let address = try Self.introduce(rig, flow: 4)
      for _ in 0..<3 { rig.surroundings.sendDatagrams(EngineRig.number(Int(generation)), to: address) }
      // Closed before, or in the middle of, taking the arrivals.
      if generation % 2 == 0 {
        try rig.turn(until: guise_now() + 20_000_000)
        if case .datagrams(let datagrams)? = rig.nextArrival() { check(rig.take(datagrams)) }
      }
      rig.close(flow: 4, generation: generation)
    }
    for datagrams in try rig.receiveAll().datagrams { check(datagrams) }

    func check(_ received: EngineRig.Received) {
      #expect(received.bytes == EngineRig.number(Int(received.generation)))
    }
  }

  @Test(arguments: EngineKind.allCases)
  func whatWaitedIsSentBeforeItsSocketIsClosed(kind: EngineKind) throws {
    let rig = try EngineRig.make(kind, .server)
    for generation in 0..<UInt16(50) {
      try rig.open(flow: 0, generation: generation)
      rig.send(try #require(rig.train([EngineRig.number(Int(generation))])), flow: 0)
      rig.close(flow: 0, generation: generation)
    }
    #expect(try rig.arrivals(patience: 5).isEmpty)
    for generation in 0..<50 {
      #expect(rig.surroundings.receiveDatagram()?.bytes == EngineRig.number(generation))
    }
  }

  @Test(arguments: EngineKind.allCases)
  func aSocketHearsItsServiceAgainAfterTheServiceWasAway(kind: EngineKind) throws {
    let rig = try EngineRig.make(kind, .server)
    try rig.open(flow: 1, generation: 1)
    let address = try Self.introduce(rig, flow: 1)
    try rig.surroundings.restartPeer {
      for _ in 0..<10 {
        rig.send(try #require(rig.train([[1]])), flow: 1)
        try rig.turn(until: guise_now() + 1_000_000)
        while rig.nextArrival() != nil {}
      }
    }
    for index in 0..<50 { rig.surroundings.sendDatagrams(EngineRig.number(index), to: address) }
    #expect(try rig.receiveAll().datagrams.map(\.bytes) == (0..<50).map(EngineRig.number))
  }

  // In processes of their own: the limit is a whole process's, and other tests start programs meanwhile.
  @Test func moreSocketsThanTheTableHoldsDescriptorsForAreRefusedByIoUring() async {
    await #expect(processExitsWith: .success) {
      try EngineFlowSocketTests.refuseWhatTheTableHoldsNoDescriptorFor(.uring)
    }
  }

  @Test func moreSocketsThanTheTableHoldsDescriptorsForAreRefusedByEpoll() async {
    await #expect(processExitsWith: .success) {
      try EngineFlowSocketTests.refuseWhatTheTableHoldsNoDescriptorFor(.epoll)
    }
  }

  private static func refuseWhatTheTableHoldsNoDescriptorFor(_ kind: EngineKind) throws {
    let rig = try EngineRig.make(kind, .server)
    var before = rlimit()
    let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    try #require(unsafe getrlimit(resource, &before) == 0)
    // As low as it goes: not one descriptor more.
    var none = rlimit(rlim_cur: 3, rlim_max: before.rlim_max)
    try #require(unsafe setrlimit(resource, &none) == 0)
    let error: KernelError?
    do throws(KernelError) {
      try rig.open(flow: 0, generation: 1)
      error = nil
    } catch let refusal {
      error = refusal
    }
    try #require(unsafe setrlimit(resource, &before) == 0)
    #expect(error?.errno == EMFILE)
    try rig.open(flow: 0, generation: 2)
    let address = try Self.introduce(rig, flow: 0)
    rig.surroundings.sendDatagrams([5], to: address)
    #expect(try rig.receiveAll().datagrams.map(\.generation) == [2])
  }

  /// With io_uring, a ring that is only closed holds them for some 50 ms more.
  @Test(arguments: EngineKind.allCases)
  func whoLetsGoOfItsSocketsDoesSoAtOnce(kind: EngineKind) throws {
    let count = 2_000
    let rig = try EngineRig.make(kind, .server, flowCountMax: count)
    // Where nobody else binds, who would take at once what is let go of: an address of the test's own, and ports that
    // the kernel gives to nobody.
    let address = try #require(Address("127.77.0.1"))
    let places = (0..<count).map { Endpoint(address, port: UInt16(20_000 + $0)) }
    for (flow, place) in places.enumerated() {
      #expect(try rig.open(flow: UInt32(flow), generation: 1, at: place) == place)
    }
    try rig.turn(until: 0)
    #expect(throws: KernelError.self) {
      close(try UDPSocket.bound(to: places[0], reusePort: false, offload: false))
    }
    rig.release()
    for place in places {
      close(try UDPSocket.bound(to: place, reusePort: false, offload: false))
    }
  }
}
