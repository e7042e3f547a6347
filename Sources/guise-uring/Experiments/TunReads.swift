/// How packets are best read from TUN.
enum TunReads: Experiment {
  static let name = "tun-reads"
  static let question = "READ_MULTISHOT against sets of one-shot reads on TUN"
  static let decision = "0008-tun-reads.md"

  static func run(_ bench: Bench) throws {
    let host = bench.host
    func entries(batch: Int, waiting: Int) -> [Bench.Entry] {
      [
        ("READ_MULTISHOT", { try PacketReader(.readMultishot, on: host, batch: batch) }),
        ("\(waiting) x READ", { try PacketReader(.read(waiting), on: host, batch: batch) }),
        ("\(waiting) x READV", { try PacketReader(.readv(waiting), on: host, batch: batch) }),
        ("\(waiting) x READ_FIXED", { try PacketReader(.readFixed(waiting), on: host, batch: batch) }),
        ("1 x READ", { try PacketReader(.read(1), on: host, batch: batch) }),
      ]
    }
    try bench.compare("64 packets of 1400 bytes wait", entries(batch: 64, waiting: 32))
    try bench.compare("packets come one by one", fraction: 2, entries(batch: 1, waiting: 8))
  }
}
