/// Whether memory that the kernel has pinned beforehand makes writes to TUN cheaper.
enum RegisteredBuffers: Experiment {
  static let name = "registered-buffers"
  static let question = "WRITE and WRITEV against WRITE_FIXED and WRITEV_FIXED on TUN"
  static let decision = "0007-registered-buffers.md"

  static func run(_ bench: Bench) throws {
    let host = bench.host
    try bench.compare(
      "lone segments of 1400 bytes",
      [
        ("WRITE", { try PacketWriter(.write, .segment, on: host, batch: 32) }),
        ("WRITE_FIXED", { try PacketWriter(.writeFixed, .segment, on: host, batch: 32) }),
      ])
    try bench.compare(
      "trains of 46 in one piece", per: "train", fraction: 8,
      [
        ("WRITE", { try PacketWriter(.write, .train, on: host, batch: 8) }),
        ("WRITE_FIXED", { try PacketWriter(.writeFixed, .train, on: host, batch: 8) }),
      ])
    try bench.compare(
      "trains of 46 in 46 pieces", per: "train", fraction: 8,
      [
        ("WRITEV", { try PacketWriter(.writev, .gatheredTrain, on: host, batch: 8) }),
        ("WRITEV_FIXED", { try PacketWriter(.writevFixed, .gatheredTrain, on: host, batch: 8) }),
      ])
  }
}
