@testable import DataPlane

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
