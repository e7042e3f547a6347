import Testing

@testable import DataPlane

/// What the next process reads of a flow.
@Suite struct FlowRecordTests {
  private static let key = FlowKey(
    remote: Address("198.51.100.7")!, local: Address("192.168.201.2")!, remotePort: 40_001, localPort: 4_567)
  private static let peer = FlowKey(
    remote: Address("127.0.0.1")!, local: Address("127.0.0.1")!, remotePort: 5_000, localPort: 41_234)

  private static func flow(_ state: Flow.State = .established) -> Flow {
    var flow = Flow(key: key, peer: peer, generation: 7, segmentBytesMax: 1_460, now: 5_000)
    flow.state = state
    flow.sendNext = SequenceNumber(111)
    flow.receiveNext = SequenceNumber(222)
    flow.sealIdentity()
    return flow
  }

  private static func bytes(_ flow: Flow) -> [UInt8] {
    var flow = flow
    return unsafe withUnsafeBytes(of: &flow) { unsafe Array($0) }
  }

  private static func read(_ bytes: [UInt8]) -> FlowRecord.Slot { unsafe FlowRecord.read(bytes.span.bytes) }

  @Test func `every field of a record lies where it is looked for`() {
    #expect(MemoryLayout<Flow>.offset(of: \.key) == FlowRecord.Offset.key)
    #expect(MemoryLayout<Flow>.offset(of: \.sendNext) == FlowRecord.Offset.sendNext)
    #expect(MemoryLayout<Flow>.offset(of: \.receiveNext) == FlowRecord.Offset.receiveNext)
    #expect(MemoryLayout<Flow>.offset(of: \.state) == FlowRecord.Offset.state)
    #expect(MemoryLayout<Flow>.offset(of: \.lastActivity) == FlowRecord.Offset.lastActivity)
    #expect(MemoryLayout<Flow>.offset(of: \.peer) == FlowRecord.Offset.peer)
    #expect(MemoryLayout<Flow>.offset(of: \.seal) == FlowRecord.Offset.seal)
    #expect(MemoryLayout<Flow>.offset(of: \.liveness.witness) == FlowRecord.Offset.witness)
    #expect(MemoryLayout<FlowKey>.size == 36)
    #expect(FlowTable.stride >= FlowRecord.length)
    #expect([Flow.State.free, .synSent, .unconfirmed, .established].map(\.rawValue) == [0, 1, 2, 3])
    #expect([Liveness.Witness.proven, .resumed].map(\.rawValue) == [3, 4])
  }

  @Test(arguments: [Flow.State.unconfirmed, .established, .suspended])
  func `a flow whose handshake is done reads back`(state: Flow.State) {
    #expect(
      Self.read(Self.bytes(Self.flow(state)))
        == .flow(
          FlowRecord(
            key: Self.key, peer: Self.peer, sendNext: SequenceNumber(111), receiveNext: SequenceNumber(222),
            lastActivity: 5_000, isProven: state == .suspended)))
  }

  /// Its silence means something to the next process, too.
  @Test(arguments: [
    (Liveness.Witness.unknown, false), (.asked, false), (.mute, false), (.proven, true), (.resumed, true),
  ])
  func `an end that has answered probes is known to do so`(witness: Liveness.Witness, isProven: Bool) throws {
    var flow = Self.flow()
    flow.liveness.witness = witness
    let slot = Self.read(Self.bytes(flow))
    guard case .flow(let record) = slot else {
      Issue.record("no flow: \(slot)")
      return
    }
    #expect(record.isProven == isProven)
    flow = Flow(key: Self.key, peer: Self.peer, generation: 8, segmentBytesMax: 1_460, now: 5_000)
    flow.resume(record)
    #expect(flow.liveness.witness == (isProven ? .resumed : .unknown))
  }

  @Test func `a free slot is free, whatever it held`() {
    #expect(Self.read([UInt8](repeating: 0, count: FlowTable.stride)) == .free)
    #expect(Self.read(Self.bytes(Self.flow(.free))) == .free)
  }

  @Test func `a flow whose handshake is under way, or that is not sealed, does not count`() {
    #expect(Self.read(Self.bytes(Self.flow(.synSent))) == .unfinished)
    var open = Self.flow()
    open.seal = 0
    #expect(Self.read(Self.bytes(open)) == .unfinished)
  }

  /// A process that is killed while it fills a slot leaves a part of it.
  @Test func `no identity of which a byte is missing counts`() {
    let whole = Self.bytes(Self.flow())
    let identity =
      Array(FlowRecord.Offset.key..<FlowRecord.Offset.key + 36)
      + Array(FlowRecord.Offset.peer..<FlowRecord.Offset.peer + 36)
    for place in identity {
      for change in [UInt8(1), 0x80] {
        var torn = whole
        torn[place] ^= change
        #expect(Self.read(torn) == .unfinished, "byte \(place)")
      }
    }
  }

  @Test(arguments: Seeds.all)
  func `no bytes are taken for a flow by chance, nor do any trap`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    for _ in 0..<2_000 {
      if case .flow = Self.read(random.bytes(FlowRecord.length)) { Issue.record("seed \(seed)") }
    }
  }

  @Test func `a flow that was silent for too long, or is from the future, is not alive`() {
    guard case .flow(let record) = Self.read(Self.bytes(Self.flow())) else {
      Issue.record("no flow")
      return
    }
    #expect(record.isAlive(now: 5_000, idleNanoseconds: 100))
    #expect(record.isAlive(now: 5_099, idleNanoseconds: 100))
    #expect(!record.isAlive(now: 5_100, idleNanoseconds: 100))
    #expect(!record.isAlive(now: 4_999, idleNanoseconds: 100))
  }
}
