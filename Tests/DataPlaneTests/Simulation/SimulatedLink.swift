@testable import DataPlane

/// A seeded source of randomness (SplitMix64): a failing seed can be run again.
struct SeededRandom: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
  mutating func chance(_ probability: Double) -> Bool { Double.random(in: 0..<1, using: &self) < probability }
}

/// How a link treats packets.
struct LinkFaults {
  var loss = 0.0
  var duplication = 0.0
  var reordering = 0.0
  /// Cuts super-packets into segments, as a NIC does.
  var splits = false
  /// Glues segments that follow each other together, as GRO does.
  var merges = false
}

/// A one-way link between two TUN devices: what one writes, cut, lost, doubled, reordered and glued.
struct SimulatedLink {
  let faults: LinkFaults
  private var random: SeededRandom

  init(_ faults: LinkFaults, seed: UInt64) {
    self.faults = faults
    random = SeededRandom(seed: seed)
  }

  /// Carries a batch of packets (each with its vnet header) across.
  mutating func carry(_ packets: [[UInt8]]) -> [[UInt8]] {
    var crossing = packets.map(TestPacket.init)
    if faults.splits || faults.loss > 0 || faults.duplication > 0 || faults.reordering > 0 {
      crossing = crossing.flatMap { $0.split() }
    }
    var arriving: [TestPacket] = []
    for packet in crossing {
      if random.chance(faults.loss) { continue }
      arriving.append(packet)
      if random.chance(faults.duplication) { arriving.append(packet) }
    }
    for index in arriving.indices.dropFirst() where random.chance(faults.reordering) {
      arriving.swapAt(index, index - 1)
    }
    if faults.merges { arriving = TestPacket.merge(arriving) }
    return arriving.map(\.bytes)
  }
}
